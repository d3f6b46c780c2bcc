#include "controller/service/worker_service.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "controller/service/call.h"
#include "controller/service/convert.h"

namespace layernas {
namespace {

constexpr int kMostTasks = 64;
constexpr int kMostCompletions = 256;
constexpr int kMostLeases = 1024;
constexpr int kMostLabels = 64;
constexpr int kMostMetrics = 256;
constexpr std::size_t kMostNameBytes = 100;
constexpr Millis kLongestWait{60'000};
// Before the caller's own deadline, so that an empty answer is not mistaken for a failure.
constexpr Millis kAnswerEarly{1'000};

absl::Status CheckName(const char* field, const std::string& name) {
  if (name.empty()) return absl::InvalidArgumentError(absl::StrCat(field, ": must not be empty"));
  if (name.size() > kMostNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": is longer than ", kMostNameBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckWorker(const v1::WorkerInfo& worker) {
  if (absl::Status status = CheckName("worker.id", worker.id()); !status.ok()) return status;
  if (worker.slots() < 0) return absl::InvalidArgumentError("worker.slots: must not be negative");
  if (worker.version().size() > kMostNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("worker.version: is longer than ", kMostNameBytes, " bytes"));
  }
  if (worker.labels_size() > kMostLabels) {
    return absl::InvalidArgumentError(absl::StrCat("worker.labels: more than ", kMostLabels));
  }
  for (const auto& [key, value] : worker.labels()) {
    if (key.empty() || key.size() > kMostNameBytes || value.size() > kMostNameBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("worker.labels: keys are 1 to ", kMostNameBytes, " bytes long, values at most as much"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCount(const char* field, int count, int least, int most) {
  if (count >= least && count <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": must be ", least, " to ", most, ", is ", count));
}

// Answers the caller or, when the caller is gone, itself.
class LeaseReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit LeaseReactor(Engine& engine) : engine_(engine) {}

  // Before the handler returns: gRPC cancels no call of which it has no reactor yet.
  void set_poll(Engine::PollId poll) { poll_ = poll; }

  void OnCancel() override {
    if (poll_ != 0) engine_.CancelPoll(poll_);
  }
  void OnDone() override { delete this; }

 private:
  Engine& engine_;
  Engine::PollId poll_ = 0;
};

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

WorkerServiceImpl::WorkerServiceImpl(Engine& engine, ControllerMetrics& metrics, const Clock& clock)
    : engine_(engine),
      clock_(clock),
      lease_seconds_(metrics.RpcSeconds("LeaseTasks")),
      heartbeat_seconds_(metrics.RpcSeconds("Heartbeat")),
      complete_seconds_(metrics.RpcSeconds("CompleteTasks")),
      release_seconds_(metrics.RpcSeconds("ReleaseTasks")) {
  SetMessageAllocatorFor_CompleteTasks(&complete_messages_);
}

grpc::ServerUnaryReactor* WorkerServiceImpl::LeaseTasks(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* bytes, grpc::ByteBuffer* response) {
  auto* reactor = new LeaseReactor(engine_);
  const Call call(reactor, lease_seconds_);
  v1::LeaseTasksRequest request;
  // It takes the bytes; nobody else wants them.
  grpc::ByteBuffer taken = *bytes;
  absl::Status status = rpc::FromGrpc(grpc::SerializationTraits<v1::LeaseTasksRequest>::Deserialize(&taken, &request));
  if (status.ok()) status = CheckWorker(request.worker());
  if (status.ok()) status = CheckCount("max_tasks", request.max_tasks(), 1, kMostTasks);
  if (status.ok()) status = CheckName("request_id", request.request_id());
  if (!status.ok()) {
    call.Finish(status);
    return reactor;
  }
  Millis wait = std::clamp(FromDuration(request.max_wait()), Millis{0}, kLongestWait);
  const auto left = std::chrono::duration_cast<Millis>(context->deadline() - std::chrono::system_clock::now());
  wait = std::clamp(left - kAnswerEarly, Millis{0}, wait);
  // Spread over the last tenth, lest a fleet that was parked together comes back together.
  const std::uint64_t spread = std::hash<std::string>()(request.request_id());
  wait -= Millis{RandomStream({spread}).Below(wait.count() / 10 + 1)};
  reactor->set_poll(engine_.LeaseTasks(
      {FromWire(request.worker()), request.max_tasks(), request.request_id(), clock_.Now() + wait},
      [call, response, specs = specs_,
       lease_duration = engine_.lease_duration()](const absl::StatusOr<std::vector<LeasedTask>>& tasks) {
        if (tasks.ok()) {
          std::string answer;
          for (const LeasedTask& task : *tasks) {
            specs->Get(task.spec)->AppendTask(v1::LeaseTasksResponse::kTasksFieldNumber, task, lease_duration, answer);
          }
          const grpc::Slice slice(answer);
          *response = grpc::ByteBuffer(&slice, 1);
        }
        call.Finish(tasks.status());
      }));
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::Heartbeat(grpc::CallbackServerContext* context,
                                                       const v1::HeartbeatRequest* request,
                                                       v1::HeartbeatResponse* response) {
  const Call call(context->DefaultReactor(), heartbeat_seconds_);
  absl::Status status = CheckWorker(request->worker());
  if (status.ok()) status = CheckCount("leases", request->leases_size(), 0, kMostLeases);
  if (!status.ok()) {
    call.Finish(status);
    return call.reactor();
  }
  std::vector<std::string> tokens;
  tokens.reserve(request->leases_size());
  for (const v1::HeldLease& lease : request->leases()) tokens.push_back(lease.lease_token());
  *response->mutable_interval() = ToDuration(engine_.heartbeat_interval());
  engine_.Heartbeat(FromWire(request->worker()), tokens,
                    [call, response, tokens](const absl::StatusOr<std::vector<bool>>& go_on) {
                      if (go_on.ok()) {
                        for (std::size_t i = 0; i < tokens.size(); ++i) {
                          v1::LeaseVerdict& verdict = *response->add_verdicts();
                          verdict.set_lease_token(tokens[i]);
                          verdict.set_action((*go_on)[i] ? v1::LEASE_ACTION_CONTINUE : v1::LEASE_ACTION_CANCEL);
                        }
                      }
                      call.Finish(go_on.status());
                    });
  return call.reactor();
}

grpc::ServerUnaryReactor* WorkerServiceImpl::CompleteTasks(grpc::CallbackServerContext* context,
                                                           const v1::CompleteTasksRequest* request,
                                                           v1::CompleteTasksResponse* response) {
  const Call call(context->DefaultReactor(), complete_seconds_);
  absl::Status status = CheckName("worker_id", request->worker_id());
  if (status.ok()) status = CheckCount("completions", request->completions_size(), 1, kMostCompletions);
  std::vector<Report> reports;
  reports.reserve(request->completions_size());
  for (int i = 0; i < request->completions_size() && status.ok(); ++i) {
    const v1::Completion& completion = request->completions(i);
    if (completion.outcome_case() == v1::Completion::OUTCOME_NOT_SET) {
      status = absl::InvalidArgumentError(absl::StrCat("completions[", i, "]: has neither a result nor a failure"));
    } else if (completion.result().metrics_size() > kMostMetrics) {
      status =
          absl::InvalidArgumentError(absl::StrCat("completions[", i, "].result.metrics: more than ", kMostMetrics));
    }
    for (const auto& [name, value] : completion.result().metrics()) {
      if (name.size() > kMostNameBytes) {
        status = absl::InvalidArgumentError(
            absl::StrCat("completions[", i, "].result.metrics: a name is longer than ", kMostNameBytes, " bytes"));
      }
    }
    reports.push_back(FromWire(completion));
  }
  if (!status.ok()) {
    call.Finish(status);
    return call.reactor();
  }
  engine_.CompleteTasks(
      request->worker_id(), std::move(reports),
      [call, request, response](const absl::StatusOr<std::vector<core::CompletionVerdict>>& verdicts) {
        if (verdicts.ok()) {
          for (int i = 0; i < request->completions_size(); ++i) {
            v1::CompletionVerdict& verdict = *response->add_verdicts();
            verdict.set_lease_token(request->completions(i).lease_token());
            verdict.set_status(ToWire((*verdicts)[i].status));
            verdict.set_message((*verdicts)[i].message);
          }
        }
        call.Finish(verdicts.status());
      });
  return call.reactor();
}

grpc::ServerUnaryReactor* WorkerServiceImpl::ReleaseTasks(grpc::CallbackServerContext* context,
                                                          const v1::ReleaseTasksRequest* request,
                                                          v1::ReleaseTasksResponse*) {
  const Call call(context->DefaultReactor(), release_seconds_);
  absl::Status status = CheckName("worker_id", request->worker_id());
  if (status.ok()) status = CheckCount("lease_tokens", request->lease_tokens_size(), 1, kMostLeases);
  if (!status.ok()) {
    call.Finish(status);
    return call.reactor();
  }
  engine_.ReleaseTasks(request->worker_id(), {request->lease_tokens().begin(), request->lease_tokens().end()},
                       [call](const absl::StatusOr<bool>& released) { call.Finish(released.status()); });
  return call.reactor();
}

}  // namespace layernas
