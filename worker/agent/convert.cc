#include "worker/agent/convert.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/task_limits.h"
#include "common/base/utf8.h"
#include "common/security/sha256.h"
#include "common/spec/json.h"

namespace layernas {
namespace {

using google::protobuf::util::TimeUtil;
using nlohmann::json;

// The default of spec.proto, used if the controller sets no timeout.
constexpr Millis kDefaultTimeout = std::chrono::hours(1);
// Small enough that a deadline cannot overflow.
constexpr Millis kMaxTimeout = std::chrono::hours(24 * 366);
// Enough to distinguish all attempts that ever keep a network in one folder.
constexpr std::ptrdiff_t kAttemptDigestBytes = 8;

// Returns the name for a kept network. For "searches/shapes10-1/candidates/49" it is
// "shapes10-1/49-" and 16 hexadecimal digits that identify the attempt. Other attempts must not
// overwrite the file that a result names: another store may have a search of the same name, and an
// attempt that the controller thinks is lost may still write. The name becomes a path in evaluators
// that may not check it, so the token, which is any text, is hashed.
absl::StatusOr<std::string> WeightsName(const v1::Task& task) {
  static const std::regex kCandidate("searches/([a-z0-9][a-z0-9-]*)/candidates/([0-9]+)");
  const std::string& candidate = task.candidate();
  std::smatch parts;
  if (candidate.size() > 2 * kMaxNameBytes || !std::regex_match(candidate, parts, kCandidate)) {
    return absl::InvalidArgumentError("cannot keep the network of '" + CutUtf8(candidate, kMaxNameBytes) +
                                      "': not a candidate's name");
  }
  const security::Digest digest = security::Sha256(task.lease_token());
  const std::string attempt(digest.begin(), digest.begin() + kAttemptDigestBytes);
  return absl::StrCat(parts[1].str(), "/", parts[2].str(), "-", absl::BytesToHexString(attempt));
}

}  // namespace

absl::StatusOr<Evaluation> ToEvaluation(const v1::Task& task, bool keeps_weights) {
  json evaluate = {{"candidate", task.candidate()}, {"seed", task.seed()}};
  LAYERNAS_ASSIGN_OR_RETURN(evaluate["architecture"], spec::ToJson(task.architecture()));
  LAYERNAS_ASSIGN_OR_RETURN(evaluate["network"], spec::ToJson(task.network()));
  LAYERNAS_ASSIGN_OR_RETURN(evaluate["train"], spec::ToJson(task.train()));
  LAYERNAS_ASSIGN_OR_RETURN(evaluate["measure"], spec::ToJson(task.measure()));
  if (task.work() == v1::WORK_MEASURE) evaluate["work"] = json::array({"measure"});
  if (task.work() == v1::WORK_TRAIN) evaluate["work"] = json::array({"train"});
  if (task.keep_weights() && keeps_weights && task.work() != v1::WORK_MEASURE) {
    LAYERNAS_ASSIGN_OR_RETURN(evaluate["keep_weights"], WeightsName(task));
  }
  const Millis timeout = BoundedMillis(task.timeout(), kMaxTimeout);
  return Evaluation{.task = task.candidate(),
                    .architecture_id = task.architecture().id(),
                    .seed = task.seed(),
                    .timeout = timeout > Millis(0) ? timeout : kDefaultTimeout,
                    .request = evaluate.dump()};
}

Millis BoundedMillis(const google::protobuf::Duration& duration, Millis most) {
  if (duration.seconds() > std::chrono::duration_cast<std::chrono::seconds>(most).count()) return most;
  if (duration.seconds() < 0) return Millis(0);
  return std::clamp(Millis(TimeUtil::DurationToMilliseconds(duration)), Millis(0), most);
}

void AddToCurve(LearningCurve& curve, const Progress& progress) {
  if (!progress.reward || curve.size() == static_cast<int>(kMaxCurvePoints)) return;
  const auto reward = static_cast<float>(*progress.reward);
  if (progress.epoch <= (curve.empty() ? 0 : curve.rbegin()->epoch()) || !std::isfinite(reward)) return;
  v1::CurvePoint& point = *curve.Add();
  point.set_epoch(progress.epoch);
  point.set_reward(reward);
}

std::optional<v1::Completion> ToCompletion(const v1::Task& task, const EvaluationOutcome& outcome,
                                           const LearningCurve& curve) {
  if (std::holds_alternative<EvaluationCancelled>(outcome)) return std::nullopt;
  v1::Completion completion;
  completion.set_lease_token(task.lease_token());
  completion.set_architecture(task.architecture().id());
  const EvaluatorLog* log = nullptr;
  if (const auto* result = std::get_if<EvaluationResult>(&outcome)) {
    completion.mutable_result()->mutable_metrics()->insert(result->metrics.begin(), result->metrics.end());
    if (result->weights) {
      v1::WeightsFile& weights = *completion.mutable_result()->mutable_weights();
      weights.set_path(result->weights->path);
      weights.set_sha256(result->weights->sha256);
      weights.set_bytes(result->weights->bytes);
    }
    *completion.mutable_result()->mutable_curve() = curve;
    log = &result->log;
  } else {
    const auto& failure = std::get<EvaluationFailure>(outcome);
    const bool infeasible = failure.kind == EvaluationFailure::Kind::kInfeasible;
    completion.mutable_failure()->set_kind(infeasible ? v1::FAILURE_KIND_INFEASIBLE : v1::FAILURE_KIND_EVALUATOR);
    // The controller shortens the message to the length that it keeps.
    completion.mutable_failure()->set_message(CutUtf8(failure.message, kMaxMessageBytes));
    log = &failure.log;
  }
  if (!log->tail.empty()) {
    completion.mutable_log()->set_tail(log->tail);
    completion.mutable_log()->set_omitted_bytes(log->omitted_bytes);
  }
  return completion;
}

v1::TaskProgress ToProto(const Progress& progress) {
  v1::TaskProgress proto;
  proto.set_epoch(progress.epoch);
  proto.set_epochs(progress.epochs);
  // A diverged loss may be finite, but too large for a learning curve's float.
  if (progress.reward && std::isfinite(static_cast<float>(*progress.reward))) proto.set_reward(*progress.reward);
  return proto;
}

}  // namespace layernas
