#include "tests/simulation/network.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace layernas::simulation {
namespace {

// The caller of all workers.
const std::string kCaller = "fleet";

// What a caller notices at once.
absl::Status Unreachable() { return absl::UnavailableError("the controller cannot be reached"); }

std::map<std::string, double> MetricsOf(const v1::Completion& completion) {
  return {completion.result().metrics().begin(), completion.result().metrics().end()};
}

}  // namespace

bool Network::IsCut(std::uint64_t worker) const {
  const auto cut = cut_until_.find(worker);
  return cut != cut_until_.end() && cut->second > timeline_.Now();
}

void Network::ControllerDied() {
  parked_.clear();
  for (const auto& [call, fail] : std::exchange(open_, {})) timeline_.After(Delay(), fail);
}

void Network::CutPollsOff(std::uint64_t worker) {
  std::vector<std::uint64_t> calls;
  for (const auto& [call, parked] : parked_) {
    if (parked.worker == worker) calls.push_back(call);
  }
  // If the machine has gone too, nobody notices.
  if (draw_.Chance(0.3)) return;
  for (const std::uint64_t call : calls) {
    timeline_.After(Delay(), [this, call] { CancelPoll(call); });
  }
}

void Network::CancelPoll(std::uint64_t call) {
  const auto parked = parked_.find(call);
  if (parked == parked_.end() || !controller_.up()) return;
  controller_.engine().CancelPoll(parked->second.poll);
  controller_.Nudge();
}

template <typename Response>
void Network::Finish(Call<Response>& call, const absl::Status& status, const Response& response) {
  if (std::exchange(call.is_over, true)) return;
  call.answered(status, response);
}

template <typename Response>
void Network::Make(std::uint64_t worker, Millis timeout, Answered<Response> answered,
                   std::function<void(std::uint64_t call, Reply<Response> reply)> arrive) {
  auto call = std::make_shared<Call<Response>>();
  call->number = ++calls_;
  call->worker = worker;
  call->deadline = timeline_.Now() + timeout;
  call->answered = std::move(answered);
  timeline_.At(call->deadline, [this, call] {
    if (call->is_over) return;
    Finish(*call, absl::DeadlineExceededError("no answer in time"), Response());
    CancelPoll(call->number);
  });
  const int times = draw_.Chance(quality_.doubling) ? 2 : 1;
  for (int i = 0; i < times; ++i) {
    if (draw_.Chance(quality_.loss)) {
      // Half of the losses are noticed.
      if (draw_.Chance(0.5)) timeline_.After(Delay(), [call] { Finish(*call, Unreachable(), Response()); });
      continue;
    }
    // The second copy may arrive much later.
    timeline_.After(Delay() + (i == 0 ? Millis{0} : draw_.Time(Millis{0}, Millis{3'000})), [this, call, arrive, i] {
      if (IsCut(call->worker)) return;
      if (!controller_.up()) {
        timeline_.After(Delay(), [call] { Finish(*call, Unreachable(), Response()); });
        return;
      }
      // A caller that has given up drops its call.
      if (timeline_.Now() >= call->deadline) return;
      const std::uint64_t number = i == 0 ? call->number : ++calls_;
      open_[number] = [call] { Finish(*call, Unreachable(), Response()); };
      arrive(number, [this, call, number](const absl::Status& status, const Response& response) {
        open_.erase(number);
        parked_.erase(number);
        if (absl::IsInvalidArgument(status)) {
          story_.Find("liveness", absl::StrCat("a whole call is refused: ", status.message()));
        }
        if (IsCut(call->worker) || draw_.Chance(quality_.loss)) return;
        timeline_.After(Delay(), [this, call, status, response] {
          if (!IsCut(call->worker)) Finish(*call, status, response);
        });
      });
      controller_.Nudge();
    });
  }
}

void Network::LeaseTasks(std::uint64_t worker, const v1::LeaseTasksRequest& request, Millis timeout,
                         Answered<v1::LeaseTasksResponse> answered) {
  const SteadyTime deadline = timeline_.Now() + timeout;
  Make<v1::LeaseTasksResponse>(
      worker, timeout, std::move(answered),
      [this, worker, request, deadline](std::uint64_t call, Reply<v1::LeaseTasksResponse> reply) {
        if (const absl::Status status = WorkerCalls::Check(request); !status.ok()) {
          reply(status, {});
          return;
        }
        const Millis left = std::chrono::duration_cast<Millis>(deadline - timeline_.Now());
        const Engine::PollId poll = controller_.calls().LeaseTasks(
            request, kCaller, left, [reply = std::move(reply)](const absl::StatusOr<std::string>& bytes) {
              v1::LeaseTasksResponse response;
              if (bytes.ok()) response.ParseFromString(*bytes);
              reply(bytes.status(), response);
            });
        parked_[call] = {worker, request, poll, timeline_.Now()};
      });
}

void Network::Heartbeat(std::uint64_t worker, const v1::HeartbeatRequest& request, Millis timeout,
                        Answered<v1::HeartbeatResponse> answered) {
  Make<v1::HeartbeatResponse>(worker, timeout, std::move(answered),
                              [this, shared = std::make_shared<const v1::HeartbeatRequest>(request)](
                                  std::uint64_t, Reply<v1::HeartbeatResponse> reply) {
                                auto response = std::make_shared<v1::HeartbeatResponse>();
                                controller_.calls().Heartbeat(*shared, kCaller, *response,
                                                              [shared, response, reply](const absl::Status& status) {
                                                                reply(status, *response);
                                                              });
                              });
}

void Network::CompleteTasks(std::uint64_t worker, const v1::CompleteTasksRequest& request, Millis timeout,
                            Answered<v1::CompleteTasksResponse> answered) {
  Make<v1::CompleteTasksResponse>(
      worker, timeout, std::move(answered),
      [this, shared = std::make_shared<const v1::CompleteTasksRequest>(request)](
          std::uint64_t, Reply<v1::CompleteTasksResponse> reply) {
        auto response = std::make_shared<v1::CompleteTasksResponse>();
        controller_.calls().CompleteTasks(
            *shared, *response, [this, shared, response, reply](const absl::Status& status) {
              for (int i = 0; status.ok() && i < shared->completions_size(); ++i) {
                const v1::Completion& completion = shared->completions(i);
                const v1::CompletionVerdict& verdict = response->verdicts(i);
                story_.Tell("controller: says of ", completion.lease_token(),
                            completion.has_result() ? " result " : " failure ", static_cast<int>(verdict.status()), " ",
                            verdict.message());
                const auto token = ParseLeaseToken(completion.lease_token());
                if (!token || verdict.status() != v1::COMPLETION_STATUS_ACCEPTED || !completion.has_result()) continue;
                // 0: its search was deleted in the same turn.
                const std::uint64_t lineage = controller_.LineageOf(token->search);
                if (lineage != 0 && token->lineage != lineage) {
                  story_.Find("truth",
                              absl::StrCat("a result of another history is accepted: ", completion.lease_token()));
                }
                controller_.book().Tell(*token, MetricsOf(completion));
              }
              reply(status, *response);
            });
      });
}

void Network::ReleaseTasks(std::uint64_t worker, const v1::ReleaseTasksRequest& request, Millis timeout,
                           Answered<v1::ReleaseTasksResponse> answered) {
  Make<v1::ReleaseTasksResponse>(worker, timeout, std::move(answered),
                                 [this, shared = std::make_shared<const v1::ReleaseTasksRequest>(request)](
                                     std::uint64_t, Reply<v1::ReleaseTasksResponse> reply) {
                                   for (const std::string& text : shared->lease_tokens()) {
                                     if (const auto token = ParseLeaseToken(text)) controller_.book().GivesBack(*token);
                                   }
                                   controller_.calls().ReleaseTasks(
                                       *shared, [shared, reply](const absl::Status& status) { reply(status, {}); });
                                 });
}

}  // namespace layernas::simulation
