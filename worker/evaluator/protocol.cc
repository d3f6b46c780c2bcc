#include "worker/evaluator/protocol.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/task_limits.h"
#include "common/base/utf8.h"
#include "common/base/wire_name.h"
#include "worker/evaluator/lenient_json.h"

namespace layernas {
namespace {

using nlohmann::json;

constexpr std::size_t kQuotedBytes = 60;
constexpr int kNamedMetrics = 3;
// Larger numbers of bytes are not exact in JSON.
constexpr double kMaxWeightsBytes = 1LL << 53;

absl::Status Invalid(const std::string& why) { return absl::InvalidArgumentError(why); }
// For a well-formed message that exceeds a limit.
absl::Status Excessive(const std::string& why) { return absl::OutOfRangeError(why); }

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", CutUtf8(text, kQuotedBytes), text.size() > kQuotedBytes ? "…\"" : "\"");
}

// Returns the number if it can be an epoch, in any notation: 1, 1.0, 1e0.
std::optional<int> WholeNumber(const json& value) {
  if (!value.is_number()) return std::nullopt;
  const auto number = value.get<double>();
  if (number < 0 || number > std::numeric_limits<int>::max() || number != std::floor(number)) return std::nullopt;
  return static_cast<int>(number);
}

void LeaveOut(std::string_view what, std::string& left_out) {
  absl::StrAppend(&left_out, left_out.empty() ? "" : "; ", absl::string_view(what.data(), what.size()));
}

// Returns 0 if the field is missing or unusable.
int ReadEpoch(const json& object, const char* name, std::string& left_out) {
  const auto value = object.find(name);
  if (value == object.end() || value->is_null()) return 0;
  const std::optional<int> number = WholeNumber(*value);
  if (!number) {
    LeaveOut(absl::StrCat(name, " ", CutUtf8(value->dump(), kQuotedBytes), ", not a whole number of at least 0"),
             left_out);
  }
  return number.value_or(0);
}

EvaluatorMessage ReadProgress(const json& object, std::string& left_out) {
  Progress progress;
  if (!object.is_object()) {
    LeaveOut("progress that is not an object", left_out);
    return progress;
  }
  // The log shows how far the loading is. Here it only matters that it continues.
  if (const auto loading = object.find("loading"); loading != object.end() && !loading->is_null()) return Loading{};
  progress.epoch = ReadEpoch(object, "epoch", left_out);
  progress.epochs = ReadEpoch(object, "epochs", left_out);
  if (const auto reward = object.find("reward"); reward != object.end() && !reward->is_null()) {
    if (reward->is_number()) {
      progress.reward = reward->get<double>();
    } else {
      LeaveOut(absl::StrCat("a reward that is a ", reward->type_name(), ", not a number"), left_out);
    }
  }
  if (progress.epoch == 0 && progress.reward && left_out.empty()) {
    LeaveOut("a reward without an epoch (epochs count from 1)", left_out);
  }
  return progress;
}

absl::StatusOr<std::optional<KeptWeights>> ParseWeights(const json& object, std::string& left_out) {
  const auto field = object.find("weights");
  if (field == object.end() || field->is_null()) return std::nullopt;
  if (!field->is_object()) return Invalid("a result's weights are not an object");
  const auto text = [&](const char* name) {
    const auto found = field->find(name);
    return found != field->end() && found->is_string() ? found->get<std::string>() : "";
  };
  KeptWeights weights{text("path"), text("sha256"), 0};
  if (weights.path.empty()) return Invalid("a result's weights have no path");
  if (weights.path.size() > kMaxWeightsPathBytes) {
    return Excessive(absl::StrCat("the path of a result's weights has ", weights.path.size(), " bytes; the maximum is ",
                                  kMaxWeightsPathBytes));
  }
  if (HasControlCharacter(weights.path)) return Excessive("the path of a result's weights has control characters");
  absl::AsciiStrToLower(&weights.sha256);
  if (weights.sha256.size() != 64 || weights.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return Invalid("the sha256 of a result's weights is not 64 hexadecimal digits");
  }
  if (const auto bytes = field->find("bytes"); bytes != field->end() && !bytes->is_null()) {
    // Exact up to 2^53 bytes, in any notation of a number.
    const double count = bytes->is_number() ? bytes->get<double>() : -1;
    if (count >= 0 && count <= kMaxWeightsBytes && count == std::floor(count)) {
      weights.bytes = static_cast<std::int64_t>(count);
    } else {
      LeaveOut(
          absl::StrCat("bytes of weights ", CutUtf8(bytes->dump(), kQuotedBytes), ", not a whole number of at least 0"),
          left_out);
    }
  }
  return weights;
}

absl::Status CheckMetricName(const std::string& name) {
  if (name.empty()) return Excessive("a metric has an empty name");
  if (name.size() > kMaxNameBytes) {
    return Excessive(absl::StrCat("the name of metric ", Quoted(name), " has ", name.size(), " bytes; the maximum is ",
                                  kMaxNameBytes));
  }
  if (HasControlCharacter(name))
    return Excessive(absl::StrCat("the name of metric ", json(name).dump(), " has control characters"));
  return absl::OkStatus();
}

absl::StatusOr<EvaluatorMessage> ReadResult(const json& object, std::string& left_out) {
  const auto field = object.find("metrics");
  if (field == object.end() || !field->is_object() || field->empty()) return Invalid("a result has no metrics");
  if (field->size() > kMaxMetrics) {
    return Excessive(absl::StrCat("a result has ", field->size(), " metrics; the maximum is ", kMaxMetrics));
  }
  EvaluationResult result;
  int not_numbers = 0;
  for (const auto& [name, value] : field->items()) {
    LAYERNAS_RETURN_IF_ERROR(CheckMetricName(name));
    if (value.is_null()) {
      result.metrics.emplace(name, std::numeric_limits<double>::quiet_NaN());
      if (++not_numbers <= kNamedMetrics) absl::StrAppend(&left_out, not_numbers == 1 ? "" : ", ", name);
    } else if (value.is_number()) {
      result.metrics.emplace(name, value.get<double>());
    } else {
      return Invalid(absl::StrCat("metric ", name, " is a ", value.type_name(), ", not a number"));
    }
  }
  if (not_numbers > kNamedMetrics) absl::StrAppend(&left_out, " and ", not_numbers - kNamedMetrics, " more");
  if (not_numbers > 0) left_out.insert(0, "metrics that are not numbers: ");
  LAYERNAS_ASSIGN_OR_RETURN(result.weights, ParseWeights(object, left_out));
  return result;
}

absl::StatusOr<EvaluatorMessage> ReadFailure(const json& object) {
  EvaluationFailure failure;
  const auto found = object.find("kind");
  const std::string kind = found != object.end() && found->is_string() ? found->get<std::string>() : "";
  if (kind == "infeasible") {
    failure.kind = EvaluationFailure::Kind::kInfeasible;
  } else if (kind == "retry") {
    failure.kind = EvaluationFailure::Kind::kEvaluator;
  } else if (kind == "out_of_memory") {
    failure.kind = EvaluationFailure::Kind::kOutOfMemory;
    const auto of = object.find("of");
    failure.of_data = of != object.end() && *of == "data";
  } else {
    return Invalid("a failure's kind must be infeasible, retry or out_of_memory");
  }
  if (const auto message = object.find("message"); message != object.end()) {
    // A program that failed is not blamed for how it says so.
    if (!message->is_null()) {
      failure.message = CutUtf8(message->is_string() ? message->get<std::string>() : message->dump(), kMaxMessageBytes);
    }
  }
  if (failure.message.empty()) failure.message = "the evaluator gave no reason";
  return failure;
}

absl::StatusOr<EvaluatorMessage> Read(std::string_view line, EvaluatorAnswer& answer) {
  LAYERNAS_ASSIGN_OR_RETURN(const json message, ParseLenientJson(line));
  answer.is_json = true;
  if (!message.is_object()) return Invalid("not an object: expected progress, result or failure");
  if (const auto task = message.find("task"); task != message.end() && !task->is_null()) {
    if (!task->is_string()) return Invalid("the task is not a string");
    answer.task = task->get<std::string>();
  }
  // Ignore other fields: a newer evaluator may send more than this worker knows.
  const auto progress = message.find("progress");
  const auto result = message.find("result");
  const auto failure = message.find("failure");
  const auto none = message.end();
  const int messages = (progress != none ? 1 : 0) + (result != none ? 1 : 0) + (failure != none ? 1 : 0);
  if (messages == 0) return Invalid("no message: expected progress, result or failure");
  if (messages > 1) return Invalid("more than one message in a line");
  if (progress != none) return ReadProgress(*progress, answer.left_out);
  const json& body = result != none ? *result : *failure;
  if (!body.is_object())
    return Invalid(absl::StrCat("the ", result != none ? "result" : "failure", " is not an object"));
  return result != none ? ReadResult(body, answer.left_out) : ReadFailure(body);
}

}  // namespace

std::string FormatEvaluatorRequest(const std::string& task, const Evaluation& evaluation) {
  const std::string_view fields = std::string_view(evaluation.request).substr(1);
  return absl::StrCat(R"({"evaluate":{"task":)", json(task).dump(-1, ' ', false, json::error_handler_t::replace),
                      fields == "}" ? "" : ",", absl::string_view(fields.data(), fields.size()), "}");
}

EvaluatorAnswer ParseEvaluatorAnswer(std::string_view line) {
  EvaluatorAnswer answer;
  answer.message = Read(line, answer);
  return answer;
}

}  // namespace layernas
