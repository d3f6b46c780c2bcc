#include "controller/service/worker_calls.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/task_limits.h"
#include "common/base/wire_name.h"
#include "controller/service/convert.h"
#include "controller/service/page_bytes.h"

namespace layernas {
namespace {

constexpr Millis kLongestWait{60'000};
// Answers before the caller's own deadline, so that an empty answer is not mistaken for a failure.
constexpr Millis kAnswerEarly{1'000};
// No machine has more.
constexpr int kMaxSlots = 100'000;

absl::Status CheckName(const std::string& field, const std::string& name, std::size_t min = 1) {
  const std::string why = WhyNoName(name, min);
  return why.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrCat(field, ": ", why));
}

absl::Status CheckCount(const char* field, int count, int min, int max) {
  if (count >= min && count <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": must be ", min, " to ", max, ", is ", count));
}

absl::Status CheckWorker(const v1::WorkerInfo& worker) {
  absl::Status status = CheckName("worker.id", worker.id());
  if (status.ok()) status = CheckCount("worker.slots", worker.slots(), 0, kMaxSlots);
  if (status.ok()) status = CheckName("worker.version", worker.version(), 0);
  if (status.ok()) status = CheckName("worker.instance", worker.instance(), 0);
  if (status.ok()) status = CheckCount("worker.labels", worker.labels_size(), 0, kMaxLabels);
  for (const auto& [key, value] : worker.labels()) {
    if (status.ok()) status = CheckName("worker.labels key", key);
    if (status.ok()) status = CheckName("worker.labels value", value, 0);
  }
  return status;
}

// An invalid token stands for no lease.
std::string TokenOf(const std::string& token) { return WhyNoName(token).empty() ? token : ""; }

// Returns the valid points: epochs that ascend from 1, and rewards that are finite.
core::Curve CurveOf(const google::protobuf::RepeatedPtrField<v1::CurvePoint>& wire) {
  core::Curve curve;
  for (const v1::CurvePoint& point : wire) {
    if (curve.size() == kMaxCurvePoints) break;
    if (point.epoch() <= (curve.empty() ? 0 : curve.back().epoch) || !std::isfinite(point.reward())) continue;
    curve.push_back({point.epoch(), point.reward()});
  }
  return curve;
}

// Returns why the result is invalid, or "".
std::string WhyNotTaken(const v1::TaskResult& result) {
  if (static_cast<std::size_t>(result.metrics_size()) > kMaxMetrics) {
    return absl::StrCat("the result has ", result.metrics_size(), " metrics; the maximum is ", kMaxMetrics);
  }
  for (const auto& [name, value] : result.metrics()) {
    const std::string why = WhyNoName(name);
    if (!why.empty()) return absl::StrCat("the name of a metric of the result ", why);
  }
  if (!result.has_weights()) return "";
  const v1::WeightsFile& weights = result.weights();
  if (weights.path().empty() || weights.path().size() > kMaxWeightsPathBytes || HasControlCharacter(weights.path())) {
    return absl::StrCat("the path of the weights must be 1 to ", kMaxWeightsPathBytes,
                        " bytes without control characters");
  }
  if (weights.sha256().size() != 64 || weights.sha256().find_first_not_of("0123456789abcdef") != std::string::npos) {
    return "the sha256 of the weights must be 64 hexadecimal digits in lower case";
  }
  return weights.bytes() < 0 ? "the bytes of the weights must not be negative" : "";
}

v1::CompletionStatus ToWire(core::CompletionVerdict::Status status) {
  switch (status) {
    case core::CompletionVerdict::kAccepted:
      return v1::COMPLETION_STATUS_ACCEPTED;
    case core::CompletionVerdict::kRefused:
      return v1::COMPLETION_STATUS_REFUSED;
    case core::CompletionVerdict::kInvalid:
      return v1::COMPLETION_STATUS_INVALID;
  }
  return v1::COMPLETION_STATUS_UNSPECIFIED;
}

}  // namespace

HeldLease ToHeldLease(const v1::HeldLease& wire) {
  HeldLease lease{TokenOf(wire.lease_token()), std::nullopt, CurveOf(wire.curve())};
  const v1::TaskProgress& progress = wire.progress();
  if (!wire.has_progress() || progress.epoch() < 0 || progress.epochs() < 0) return lease;
  lease.progress = TaskProgress{progress.epoch(), progress.epochs(), std::nullopt};
  // Excludes rewards that are too large for a float.
  if (progress.has_reward() && std::isfinite(static_cast<float>(progress.reward()))) {
    lease.progress->reward = progress.reward();
  }
  return lease;
}

Report ToReport(const v1::Completion& completion) {
  Report report = FromWire(completion);
  report.token = TokenOf(completion.lease_token());
  report.architecture = completion.architecture();
  if (completion.has_result()) {
    const std::string why = WhyNotTaken(completion.result());
    if (why.empty()) {
      report.result->curve = CurveOf(completion.result().curve());
      return report;
    }
    report.result.reset();
    report.message = why;
  } else if (completion.has_failure()) {
    return report;
  } else {
    report.message = "the report has neither a result nor a failure";
  }
  report.failure = core::FailureKind::kEvaluator;
  report.is_invalid = true;
  return report;
}

absl::Status WorkerCalls::Check(const v1::LeaseTasksRequest& request) {
  absl::Status status = CheckWorker(request.worker());
  if (status.ok()) status = CheckCount("max_tasks", request.max_tasks(), 1, kMaxTasksPerCall);
  if (status.ok()) status = CheckName("request_id", request.request_id());
  return status;
}

Engine::PollId WorkerCalls::LeaseTasks(const v1::LeaseTasksRequest& request, const std::string& caller,
                                       Millis time_left, std::function<void(absl::StatusOr<std::string>)> done) {
  Millis wait = std::clamp(FromDuration(request.max_wait()), Millis{0}, kLongestWait);
  wait = std::clamp(time_left - kAnswerEarly, Millis{0}, wait);
  // Spread over the last tenth, so that a fleet whose calls started together does not return
  // together.
  const std::uint64_t spread = std::hash<std::string>()(request.request_id());
  wait -= Millis{RandomStream({spread}).Below(wait.count() / 10 + 1)};
  return engine_.LeaseTasks(
      {FromWire(request.worker(), caller), request.max_tasks(), request.request_id(), clock_.Now() + wait},
      [&engine = engine_, done = std::move(done), specs = specs_,
       worker = WorkerId{request.worker().id(), request.worker().instance()}](
          const absl::StatusOr<std::vector<LeasedTask>>& tasks) {
        if (!tasks.ok()) {
          done(tasks.status());
          return;
        }
        std::string answer;
        std::vector<std::string> too_much;
        for (const LeasedTask& task : *tasks) {
          const std::size_t before = answer.size();
          specs->Get(task.spec)->AppendTask(v1::LeaseTasksResponse::kTasksFieldNumber, task, engine.lease_duration(),
                                            answer);
          if (before == 0 || answer.size() <= kMaxPageBytes) continue;
          answer.resize(before);
          too_much.push_back(FormatLeaseToken(task.token));
        }
        if (!too_much.empty()) engine.ReleaseTasks(worker, std::move(too_much), [](const absl::StatusOr<bool>&) {});
        done(std::move(answer));
      });
}

void WorkerCalls::Heartbeat(const v1::HeartbeatRequest& request, const std::string& caller,
                            v1::HeartbeatResponse& response, std::function<void(absl::Status)> done) {
  absl::Status status = CheckWorker(request.worker());
  if (status.ok()) status = CheckCount("leases", request.leases_size(), 0, kMaxLeasesPerCall);
  if (!status.ok()) {
    done(std::move(status));
    return;
  }
  std::vector<HeldLease> leases;
  leases.reserve(request.leases_size());
  for (const v1::HeldLease& lease : request.leases()) leases.push_back(ToHeldLease(lease));
  *response.mutable_interval() = ToDuration(engine_.heartbeat_interval());
  engine_.Heartbeat(
      FromWire(request.worker(), caller), std::move(leases),
      [&request, &response, done = std::move(done)](const absl::StatusOr<std::vector<LeaseVerdict>>& verdicts) {
        for (int i = 0; verdicts.ok() && i < request.leases_size(); ++i) {
          v1::LeaseVerdict& verdict = *response.add_verdicts();
          verdict.set_lease_token(request.leases(i).lease_token());
          verdict.set_action((*verdicts)[i].go_on ? v1::LEASE_ACTION_CONTINUE : v1::LEASE_ACTION_CANCEL);
          verdict.set_message((*verdicts)[i].message);
        }
        done(verdicts.status());
      });
}

void WorkerCalls::CompleteTasks(const v1::CompleteTasksRequest& request, v1::CompleteTasksResponse& response,
                                std::function<void(absl::Status)> done) {
  absl::Status status = CheckName("worker_id", request.worker_id());
  if (status.ok()) status = CheckName("worker_instance", request.worker_instance(), 0);
  if (status.ok()) status = CheckCount("completions", request.completions_size(), 1, kMaxCompletionsPerCall);
  if (!status.ok()) {
    done(std::move(status));
    return;
  }
  std::vector<Report> reports;
  reports.reserve(request.completions_size());
  for (const v1::Completion& completion : request.completions()) reports.push_back(ToReport(completion));
  engine_.CompleteTasks({request.worker_id(), request.worker_instance()}, std::move(reports),
                        [&request, &response,
                         done = std::move(done)](const absl::StatusOr<std::vector<core::CompletionVerdict>>& verdicts) {
                          for (int i = 0; verdicts.ok() && i < request.completions_size(); ++i) {
                            v1::CompletionVerdict& verdict = *response.add_verdicts();
                            verdict.set_lease_token(request.completions(i).lease_token());
                            verdict.set_status(ToWire((*verdicts)[i].status));
                            verdict.set_message((*verdicts)[i].message);
                          }
                          done(verdicts.status());
                        });
}

void WorkerCalls::ReleaseTasks(const v1::ReleaseTasksRequest& request, std::function<void(absl::Status)> done) {
  absl::Status status = CheckName("worker_id", request.worker_id());
  if (status.ok()) status = CheckName("worker_instance", request.worker_instance(), 0);
  const int min = request.leaving() ? 0 : 1;
  if (status.ok()) status = CheckCount("lease_tokens", request.lease_tokens_size(), min, kMaxLeasesPerCall);
  if (!status.ok()) {
    done(std::move(status));
    return;
  }
  std::vector<std::string> tokens;
  tokens.reserve(request.lease_tokens_size());
  for (const std::string& token : request.lease_tokens()) tokens.push_back(TokenOf(token));
  engine_.ReleaseTasks(
      {request.worker_id(), request.worker_instance()}, std::move(tokens),
      [done = std::move(done)](const absl::StatusOr<bool>& released) { done(released.status()); }, request.leaving());
}

}  // namespace layernas
