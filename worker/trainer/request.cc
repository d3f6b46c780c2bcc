#include "worker/trainer/request.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "common/network/architecture.h"
#include "common/network/closest.h"
#include "common/network/object_reader.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

using network::ObjectReader;

constexpr std::int64_t kMaxExamples = 10'000'000;
const std::vector<std::string>& Datasets() {
  static const auto* names = new std::vector<std::string>{"shapes10", "cifar10", "cifar100", "idx", "image_folder"};
  return *names;
}
// The usual values for AdamW, whose steps do not shrink with the gradient.
constexpr double kAdamWLearningRate = 2e-3;
constexpr double kAdamWWeightDecay = 0.05;

template <typename From, typename To>
void Assign(const std::optional<From>& from, To& to) {
  if (from) to = static_cast<To>(*from);
}

// Requests come over the network, so they must not reach outside of the trainer's folders.
bool StaysInside(const std::string& text) {
  const std::filesystem::path path(text);
  return path.is_relative() && std::find(path.begin(), path.end(), "..") == path.end();
}

void ReadTrainParameters(const nlohmann::json& json, DataSettings& data) {
  ObjectReader reader(json, "train.parameters");
  if (const auto folder = reader.String("folder")) {
    if (!StaysInside(*folder))
      throw InfeasibleError("train.parameters.folder must be a path inside the trainer's data directory");
    data.folder = *folder;
  }
  if (const auto holdout = reader.String("holdout")) {
    if (*holdout == "test") {
      data.holdout = Holdout::kTest;
    } else if (*holdout != "validation") {
      throw InfeasibleError("train.parameters.holdout must be validation or test, but is '" + *holdout + "'");
    }
  }
  Assign(reader.Bool("skip_bad_files"), data.skip_bad_files);
  reader.RefuseUnknownFields();
}

Precision ReadPrecision(ObjectReader& reader) {
  const auto text = reader.String("precision");
  if (!text || *text == "float32") return Precision::kFloat32;
  if (*text == "bfloat16") return Precision::kBfloat16;
  throw InfeasibleError(reader.path() + ".precision must be float32 or bfloat16, but is '" + *text + "'" +
                        DidYouMean(*text, {"float32", "bfloat16"}));
}

TrainSettings ReadTrain(const nlohmann::json& json) {
  ObjectReader reader(json, "train");
  TrainSettings train;
  Assign(reader.String("dataset"), train.data.dataset);
  const std::string sets = "shapes10, cifar10, cifar100, idx or image_folder";
  if (train.data.dataset.empty()) throw InfeasibleError("train.dataset is missing: " + sets);
  if (std::find(Datasets().begin(), Datasets().end(), train.data.dataset) == Datasets().end()) {
    throw InfeasibleError("train.dataset must be " + sets + ", but is '" + train.data.dataset + "'" +
                          DidYouMean(train.data.dataset, Datasets()));
  }
  Assign(reader.Integer("epochs", 1, 100'000), train.epochs);
  // Batch normalization needs at least two values.
  Assign(reader.Integer("batch", 2, 65'536), train.batch);
  if (const auto optimizer = reader.String("optimizer")) {
    if (*optimizer != "sgd" && *optimizer != "adamw") {
      throw InfeasibleError("train.optimizer must be sgd or adamw, but is '" + *optimizer + "'" +
                            DidYouMean(*optimizer, {"sgd", "adamw"}));
    }
    if (*optimizer == "adamw") {
      train.optimizer = Optimizer::kAdamW;
      train.learning_rate = kAdamWLearningRate;
      train.weight_decay = kAdamWWeightDecay;
    }
  }
  Assign(reader.Number("learning_rate", 0, 1000), train.learning_rate);
  Assign(reader.Number("warm_up", 0, 1), train.warm_up);
  Assign(reader.Number("momentum", 0, 1), train.momentum);
  Assign(reader.Number("weight_decay", 0, 1), train.weight_decay);
  Assign(reader.Number("label_smoothing", 0, 1), train.label_smoothing);
  if (const auto count = reader.Integer("train_examples", 2, kMaxExamples)) {
    train.data.train_examples = static_cast<int>(*count);
  }
  if (const auto count = reader.Integer("validation_examples", 1, kMaxExamples)) {
    train.data.validation_examples = static_cast<int>(*count);
  }
  Assign(reader.Bool("augment"), train.augment);
  Assign(reader.Number("clip_norm", 0, 1e9), train.clip_norm);
  Assign(reader.Number("ema_decay", 0, 0.999999), train.ema_decay);
  Assign(reader.Integer("patience", 0, 100'000), train.patience);
  train.precision = ReadPrecision(reader);
  Assign(reader.Integer("data_seed", 0, UINT32_MAX), train.data.data_seed);
  if (const nlohmann::json* parameters = reader.Value("parameters")) ReadTrainParameters(*parameters, train.data);
  train.data.with_validation = train.patience > 0 && train.data.holdout == Holdout::kTest;
  reader.RefuseUnknownFields();
  return train;
}

MeasureSettings ReadMeasure(const nlohmann::json& json) {
  ObjectReader reader(json, "measure");
  MeasureSettings measure;
  Assign(reader.Integer("batch", 1, 65'536), measure.batch);
  Assign(reader.Integer("warm_up", 0, 1'000'000), measure.warm_up);
  Assign(reader.Integer("runs", 1, 1'000'000), measure.runs);
  measure.max_runs = 20 * measure.runs;
  Assign(reader.Integer("max_runs", measure.runs, 20'000'000), measure.max_runs);
  Assign(reader.Integer("threads", 1, 1024), measure.threads);
  measure.precision = ReadPrecision(reader);
  measure.ratio_interval = reader.Number("ratio_interval", 1e-4, 1);
  if (const nlohmann::json* parameters = reader.Value("parameters")) {
    ObjectReader(*parameters, "measure.parameters").RefuseUnknownFields();
  }
  reader.RefuseUnknownFields();
  return measure;
}

// Values are copied and formatted recursively, so a request that is nested too deep would exhaust
// the stack.
void CheckDepth(const nlohmann::json& message) {
  constexpr int kMaxDepth = 100;
  std::vector<std::pair<const nlohmann::json*, int>> left = {{&message, 1}};
  while (!left.empty()) {
    const auto [value, depth] = left.back();
    left.pop_back();
    if (depth > kMaxDepth) {
      throw InfeasibleError("the request is nested more than " + std::to_string(kMaxDepth) + " levels deep");
    }
    if (!value->is_structured()) continue;
    for (const nlohmann::json& item : *value) left.emplace_back(&item, depth + 1);
  }
}

const nlohmann::json& Required(ObjectReader& reader, const std::string& name) {
  const nlohmann::json* value = reader.Value(name);
  if (value == nullptr) throw InfeasibleError(reader.path() + "." + name + " is missing");
  return *value;
}

void ReadWork(const nlohmann::json& work, EvaluateRequest& request) {
  const auto wants = [&work](const char* what) { return std::find(work.begin(), work.end(), what) != work.end(); };
  request.is_trained = wants("train");
  request.is_measured = wants("measure");
  const int known = (request.is_trained ? 1 : 0) + (request.is_measured ? 1 : 0);
  if (!work.is_array() || known == 0 || static_cast<std::size_t>(known) != work.size()) {
    throw InfeasibleError("evaluate.work must be a list of train, measure or both, but is " + work.dump());
  }
}

}  // namespace

EvaluateRequest ParseRequest(const nlohmann::json& message) {
  CheckDepth(message);
  ObjectReader envelope(message, "the request");
  const nlohmann::json* body = envelope.Value("evaluate");
  envelope.RefuseUnknownFields();
  if (body == nullptr) throw InfeasibleError("the request has no field 'evaluate'");

  // Ignore unknown fields at this level: a newer worker may send more than this trainer knows.
  ObjectReader reader(*body, "evaluate");
  EvaluateRequest request;
  if (const nlohmann::json* work = reader.Value("work")) ReadWork(*work, request);
  Assign(reader.String("task"), request.task);
  Assign(reader.Integer("seed", 0, UINT32_MAX), request.seed);
  if (const auto name = reader.String("keep_weights")) {
    if (name->empty() || !StaysInside(*name) || !std::filesystem::path(*name).has_filename()) {
      throw InfeasibleError("evaluate.keep_weights must name a file inside the trainer's weights directory, but is '" +
                            *name + "'");
    }
    request.keep_weights = *name;
  }
  if (request.is_trained) request.train = ReadTrain(Required(reader, "train"));
  if (const nlohmann::json* measure = reader.Value("measure")) request.measure = ReadMeasure(*measure);
  request.network = network::PlanNetwork(Required(reader, "architecture"), Required(reader, "network"));
  request.train.data.input = request.network.input;
  if (request.is_trained) {
    nlohmann::json key;
    for (const char* part : {"architecture", "network", "train"}) key[part] = body->at(part);
    key["seed"] = request.seed;
    request.training_key = key.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  return request;
}

}  // namespace layernas::trainer
