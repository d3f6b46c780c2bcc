#include "controller/service/worker_service.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "controller/service/call.h"
#include "controller/service/convert.h"
#include "controller/service/page_bytes.h"

namespace layernas {
namespace {

constexpr int kMostTasks = 64;
constexpr int kMostCompletions = 256;
constexpr int kMostLeases = 1024;
constexpr int kMostLabels = 64;
constexpr int kMostMetrics = 256;
constexpr int kMostCurvePoints = 1000;
constexpr std::size_t kMostPathBytes = 4096;
constexpr std::size_t kMostNameBytes = 100;
constexpr Millis kLongestWait{60'000};
// Before the caller's own deadline, so that an empty answer is not mistaken for a failure.
constexpr Millis kAnswerEarly{1'000};

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// `at_least` is 0 where it may be empty.
absl::Status CheckName(const std::string& field, const std::string& name, std::size_t at_least = 1) {
  if (name.size() < at_least) return absl::InvalidArgumentError(absl::StrCat(field, ": must not be empty"));
  if (name.size() > kMostNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": is longer than ", kMostNameBytes, " bytes"));
  }
  if (std::any_of(name.begin(), name.end(), IsControl)) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": must not hold control characters"));
  }
  return absl::OkStatus();
}

absl::Status CheckWorker(const v1::WorkerInfo& worker) {
  if (absl::Status status = CheckName("worker.id", worker.id()); !status.ok()) return status;
  if (worker.slots() < 0) return absl::InvalidArgumentError("worker.slots: must not be negative");
  if (absl::Status status = CheckName("worker.version", worker.version(), 0); !status.ok()) return status;
  if (worker.labels_size() > kMostLabels) {
    return absl::InvalidArgumentError(absl::StrCat("worker.labels: more than ", kMostLabels));
  }
  for (const auto& [key, value] : worker.labels()) {
    absl::Status status = CheckName("worker.labels key", key);
    if (status.ok()) status = CheckName("worker.labels value", value, 0);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Our own tokens are shorter than names. What is wrong with a short one is found out where it is used.
absl::Status CheckTokens(const char* list, const char* field, const std::vector<std::string>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    absl::Status status = CheckName(absl::StrCat(list, "[", i, "]", field), tokens[i], 0);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckCount(const char* field, int count, int least, int most) {
  if (count >= least && count <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": must be ", least, " to ", most, ", is ", count));
}

absl::Status CheckProgress(const std::string& field, const v1::TaskProgress& progress) {
  if (progress.epoch() < 0) return absl::InvalidArgumentError(absl::StrCat(field, ".epoch: must not be negative"));
  if (progress.epochs() < 0) return absl::InvalidArgumentError(absl::StrCat(field, ".epochs: must not be negative"));
  if (!std::isfinite(static_cast<float>(progress.reward()))) {
    return absl::InvalidArgumentError(absl::StrCat(field, ".reward: is not a finite number"));
  }
  return absl::OkStatus();
}

absl::Status CheckCurve(const std::string& field, const google::protobuf::RepeatedPtrField<v1::CurvePoint>& curve) {
  if (curve.size() > kMostCurvePoints) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": more than ", kMostCurvePoints, " points"));
  }
  for (int i = 0; i < curve.size(); ++i) {
    const std::string item = absl::StrCat(field, "[", i, "]");
    if (curve[i].epoch() <= (i == 0 ? 0 : curve[i - 1].epoch())) {
      return absl::InvalidArgumentError(absl::StrCat(item, ".epoch: epochs must ascend from 1"));
    }
    if (!std::isfinite(curve[i].reward())) {
      return absl::InvalidArgumentError(absl::StrCat(item, ".reward: is not a finite number"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWeights(const std::string& field, const v1::TaskResult& result) {
  if (!result.has_weights()) return absl::OkStatus();
  const v1::WeightsFile& weights = result.weights();
  if (weights.path().empty() || weights.path().size() > kMostPathBytes ||
      std::any_of(weights.path().begin(), weights.path().end(), IsControl)) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".path: must be 1 to ", kMostPathBytes, " bytes without control characters"));
  }
  if (weights.sha256().size() != 64 || weights.sha256().find_first_not_of("0123456789abcdef") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(field, ".sha256: must be 64 hexadecimal digits in lower case"));
  }
  if (weights.bytes() < 0) return absl::InvalidArgumentError(absl::StrCat(field, ".bytes: must not be negative"));
  return absl::OkStatus();
}

// Answers the caller or, when the caller is gone, itself.
class LeaseReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit LeaseReactor(Engine& engine) : engine_(engine) {}

  // Before the poll is parked. RESOURCE_EXHAUSTED if the peer has too many.
  absl::Status Enter(Gate& gate, const std::string& peer) {
    absl::StatusOr<OpenCalls::Place> place = gate.EnterPoll(peer);
    if (place.ok()) place_ = *std::move(place);
    return place.status();
  }
  // Before the handler returns: gRPC cancels no call of which it has no reactor yet.
  void set_poll(Engine::PollId poll) { poll_ = poll; }

  void OnCancel() override {
    if (poll_ != 0) engine_.CancelPoll(poll_);
  }
  void OnDone() override { delete this; }

 private:
  Engine& engine_;
  Engine::PollId poll_ = 0;
  OpenCalls::Place place_;
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

WorkerServiceImpl::WorkerServiceImpl(Engine& engine, Gate& gate, ControllerMetrics& metrics, const Clock& clock)
    : engine_(engine),
      entrance_(v1::WorkerService::service_full_name(), gate, metrics),
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
  const Call call = entrance_.Begin(*context, reactor, "LeaseTasks", lease_seconds_);
  if (call.refused()) return reactor;
  v1::LeaseTasksRequest request;
  // It takes the bytes; nobody else wants them.
  grpc::ByteBuffer taken = *bytes;
  absl::Status status = rpc::FromGrpc(grpc::SerializationTraits<v1::LeaseTasksRequest>::Deserialize(&taken, &request));
  if (status.ok()) status = CheckWorker(request.worker());
  if (status.ok()) status = CheckCount("max_tasks", request.max_tasks(), 1, kMostTasks);
  if (status.ok()) status = CheckName("request_id", request.request_id());
  if (status.ok()) status = reactor->Enter(entrance_.gate(), context->peer());
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
      [this, call, response, specs = specs_, lease_duration = engine_.lease_duration(),
       worker = request.worker().id()](const absl::StatusOr<std::vector<LeasedTask>>& tasks) {
        if (tasks.ok()) {
          std::string answer;
          std::vector<std::string> too_much;
          for (const LeasedTask& task : *tasks) {
            const std::size_t before = answer.size();
            specs->Get(task.spec)->AppendTask(v1::LeaseTasksResponse::kTasksFieldNumber, task, lease_duration, answer);
            if (before == 0 || answer.size() <= kMostPageBytes) continue;
            answer.resize(before);
            too_much.push_back(FormatLeaseToken(task.token));
          }
          if (!too_much.empty()) engine_.ReleaseTasks(worker, std::move(too_much), [](const absl::StatusOr<bool>&) {});
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
  const Call call = entrance_.Begin(*context, context->DefaultReactor(), "Heartbeat", heartbeat_seconds_);
  if (call.refused()) return call.reactor();
  absl::Status status = CheckWorker(request->worker());
  if (status.ok()) status = CheckCount("leases", request->leases_size(), 0, kMostLeases);
  std::vector<HeldLease> leases;
  for (int i = 0; status.ok() && i < request->leases_size(); ++i) {
    leases.push_back(FromWire(request->leases(i)));
    // Our own tokens are shorter than names. What is wrong with a short one is found out where it is used.
    status = CheckName(absl::StrCat("leases[", i, "].lease_token"), leases.back().token, 0);
    if (status.ok()) status = CheckProgress(absl::StrCat("leases[", i, "].progress"), request->leases(i).progress());
  }
  if (!status.ok()) {
    call.Finish(status);
    return call.reactor();
  }
  *response->mutable_interval() = ToDuration(engine_.heartbeat_interval());
  engine_.Heartbeat(FromWire(request->worker()), std::move(leases),
                    [call, request, response](const absl::StatusOr<std::vector<bool>>& go_on) {
                      if (go_on.ok()) {
                        for (int i = 0; i < request->leases_size(); ++i) {
                          v1::LeaseVerdict& verdict = *response->add_verdicts();
                          verdict.set_lease_token(request->leases(i).lease_token());
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
  const Call call = entrance_.Begin(*context, context->DefaultReactor(), "CompleteTasks", complete_seconds_);
  if (call.refused()) return call.reactor();
  absl::Status status = CheckName("worker_id", request->worker_id());
  if (status.ok()) status = CheckCount("completions", request->completions_size(), 1, kMostCompletions);
  std::vector<Report> reports;
  reports.reserve(request->completions_size());
  std::vector<std::string> tokens;
  for (int i = 0; status.ok() && i < request->completions_size(); ++i) {
    const v1::Completion& completion = request->completions(i);
    if (completion.outcome_case() == v1::Completion::OUTCOME_NOT_SET) {
      status = absl::InvalidArgumentError(absl::StrCat("completions[", i, "]: has neither a result nor a failure"));
    } else if (completion.result().metrics_size() > kMostMetrics) {
      status =
          absl::InvalidArgumentError(absl::StrCat("completions[", i, "].result.metrics: more than ", kMostMetrics));
    }
    if (status.ok())
      status = CheckCurve(absl::StrCat("completions[", i, "].result.curve"), completion.result().curve());
    if (status.ok()) status = CheckWeights(absl::StrCat("completions[", i, "].result.weights"), completion.result());
    for (const auto& [name, value] : completion.result().metrics()) {
      if (status.ok()) status = CheckName(absl::StrCat("completions[", i, "].result.metrics name"), name);
    }
    if (!status.ok()) break;
    reports.push_back(FromWire(completion));
    tokens.push_back(completion.lease_token());
  }
  if (status.ok()) status = CheckTokens("completions", ".lease_token", tokens);
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
  const Call call = entrance_.Begin(*context, context->DefaultReactor(), "ReleaseTasks", release_seconds_);
  if (call.refused()) return call.reactor();
  absl::Status status = CheckName("worker_id", request->worker_id());
  if (status.ok()) status = CheckCount("lease_tokens", request->lease_tokens_size(), 1, kMostLeases);
  std::vector<std::string> tokens;
  if (status.ok()) {
    tokens.assign(request->lease_tokens().begin(), request->lease_tokens().end());
    status = CheckTokens("lease_tokens", "", tokens);
  }
  if (!status.ok()) {
    call.Finish(status);
    return call.reactor();
  }
  engine_.ReleaseTasks(request->worker_id(), std::move(tokens),
                       [call](const absl::StatusOr<bool>& released) { call.Finish(released.status()); });
  return call.reactor();
}

}  // namespace layernas
