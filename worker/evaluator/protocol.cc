#include "worker/evaluator/protocol.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "common/base/status_macros.h"

namespace layernas {
namespace {

using nlohmann::json;

absl::Status Invalid(const std::string& why) { return absl::InvalidArgumentError(why); }

absl::StatusOr<int> OptionalInt(const json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end()) return 0;
  if (!field->is_number_integer()) return Invalid(std::string(name) + " is not a whole number");
  const auto value = field->get<std::int64_t>();
  if (value < 0 || value > std::numeric_limits<int>::max()) return Invalid(std::string(name) + " is out of range");
  return static_cast<int>(value);
}

absl::StatusOr<EvaluatorMessage> ParseProgress(const json& object) {
  Progress progress;
  LAYERNAS_ASSIGN_OR_RETURN(progress.epoch, OptionalInt(object, "epoch"));
  LAYERNAS_ASSIGN_OR_RETURN(progress.epochs, OptionalInt(object, "epochs"));
  if (const auto reward = object.find("reward"); reward != object.end() && !reward->is_null()) {
    if (!reward->is_number()) return Invalid("reward is not a number");
    progress.reward = reward->get<double>();
  }
  return progress;
}

absl::StatusOr<std::optional<KeptWeights>> ParseWeights(const json& object) {
  const auto field = object.find("weights");
  if (field == object.end()) return std::nullopt;
  if (!field->is_object()) return Invalid("the weights of a result are no object");
  const auto text = [&](const char* name) {
    const auto found = field->find(name);
    return found != field->end() && found->is_string() ? found->get<std::string>() : "";
  };
  KeptWeights weights{text("path"), text("sha256"), 0};
  if (weights.path.empty()) return Invalid("the weights of a result lack their path");
  if (weights.sha256.size() != 64 || weights.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return Invalid("the sha256 of a result's weights is not 64 hexadecimal digits");
  }
  if (const auto bytes = field->find("bytes"); bytes != field->end() && bytes->is_number_unsigned()) {
    weights.bytes = bytes->get<std::int64_t>();
  }
  return weights;
}

absl::StatusOr<EvaluatorMessage> ParseResult(const json& object) {
  const auto field = object.find("metrics");
  if (field == object.end() || !field->is_object() || field->empty()) return Invalid("a result without metrics");
  Metrics metrics;
  std::string not_a_number;
  for (const auto& [name, value] : field->items()) {
    if (value.is_null()) {
      if (not_a_number.empty()) not_a_number = name;
    } else if (value.is_number()) {
      metrics.emplace(name, value.get<double>());
    } else {
      return Invalid("metric " + name + " is a " + value.type_name() + ", not a number");
    }
  }
  if (!not_a_number.empty()) {
    return EvaluationFailure{EvaluationFailure::Kind::kInfeasible, "metric " + not_a_number + " is not a number"};
  }
  EvaluationResult result(std::move(metrics));
  LAYERNAS_ASSIGN_OR_RETURN(result.weights, ParseWeights(object));
  return result;
}

absl::StatusOr<EvaluatorMessage> ParseFailure(const json& object) {
  EvaluationFailure failure;
  const std::string kind = object.value("kind", json()).is_string() ? object["kind"].get<std::string>() : "";
  if (kind == "infeasible") {
    failure.kind = EvaluationFailure::Kind::kInfeasible;
  } else if (kind == "retry") {
    failure.kind = EvaluationFailure::Kind::kEvaluator;
  } else if (kind == "out_of_memory") {
    failure.kind = EvaluationFailure::Kind::kOutOfMemory;
  } else {
    return Invalid("a failure's kind must be infeasible, retry or out_of_memory");
  }
  if (const auto message = object.find("message"); message != object.end()) {
    if (!message->is_string()) return Invalid("a failure's message is not a string");
    failure.message = message->get<std::string>();
  }
  return failure;
}

}  // namespace

absl::StatusOr<EvaluatorMessage> ParseEvaluatorMessage(std::string_view line) {
  const json message = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (message.is_discarded()) return Invalid("not JSON");
  if (!message.is_object() || message.size() != 1 || !message.front().is_object()) {
    return Invalid("not an object with one object in it: progress, result or failure");
  }
  const std::string& kind = message.begin().key();
  if (kind == "progress") return ParseProgress(message.front());
  if (kind == "result") return ParseResult(message.front());
  if (kind == "failure") return ParseFailure(message.front());
  return Invalid("an unknown message: must be progress, result or failure");
}

}  // namespace layernas
