// The network between workers and the controller. It delays calls, loses them or their answers, and
// duplicates them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "layernas/v1/worker_service.pb.h"
#include "tests/simulation/controller.h"

namespace layernas::simulation {

class Network {
 public:
  Network(std::uint64_t seed, Timeline& timeline, Story& story, Controller& controller)
      : draw_({seed, 0x4e}), timeline_(timeline), story_(story), controller_(controller) {}

  // The probabilities that a message is lost or duplicated, and its maximum delay.
  struct Quality {
    double loss = 0;
    double doubling = 0;
    Millis delay{20};
  };
  void set_quality(const Quality& quality) { quality_ = quality; }
  // Separates the worker and the controller for that time.
  void Cut(std::uint64_t worker, Millis duration) { cut_until_[worker] = timeline_.Now() + duration; }
  bool IsCut(std::uint64_t worker) const;
  // The controller's process has died, and its callers find out.
  void ControllerDied();
  // The worker's death or drain cancels its polls, and the controller may find out.
  void CutPollsOff(std::uint64_t worker);

  // Makes a call of a worker. `answered` is called exactly once, at a later event.
  template <typename Response>
  using Answered = std::function<void(const absl::Status&, const Response&)>;
  void LeaseTasks(std::uint64_t worker, const v1::LeaseTasksRequest& request, Millis timeout,
                  Answered<v1::LeaseTasksResponse> answered);
  void Heartbeat(std::uint64_t worker, const v1::HeartbeatRequest& request, Millis timeout,
                 Answered<v1::HeartbeatResponse> answered);
  void CompleteTasks(std::uint64_t worker, const v1::CompleteTasksRequest& request, Millis timeout,
                     Answered<v1::CompleteTasksResponse> answered);
  void ReleaseTasks(std::uint64_t worker, const v1::ReleaseTasksRequest& request, Millis timeout,
                    Answered<v1::ReleaseTasksResponse> answered);

  // A poll that waits at the controller.
  struct Parked {
    std::uint64_t worker = 0;
    v1::LeaseTasksRequest request;
    Engine::PollId poll = 0;
    SteadyTime since;
  };
  const std::map<std::uint64_t, Parked>& parked() const { return parked_; }

 private:
  // The answer of one call on its way to the caller.
  template <typename Response>
  struct Call {
    std::uint64_t number = 0;
    std::uint64_t worker = 0;
    SteadyTime deadline;
    bool is_over = false;
    Answered<Response> answered;
  };
  // Brings the request to the controller, where `arrive` makes the call. `arrive` gets a function
  // that sends the answer back.
  template <typename Response>
  using Reply = std::function<void(const absl::Status&, const Response&)>;
  template <typename Response>
  void Make(std::uint64_t worker, Millis timeout, Answered<Response> answered,
            std::function<void(std::uint64_t call, Reply<Response> reply)> arrive);
  template <typename Response>
  static void Finish(Call<Response>& call, const absl::Status& status, const Response& response);
  void CancelPoll(std::uint64_t call);
  Millis Delay() { return draw_.Time(Millis{0}, quality_.delay); }

  Draw draw_;
  Timeline& timeline_;
  Story& story_;
  Controller& controller_;
  Quality quality_;
  std::map<std::uint64_t, SteadyTime> cut_until_;
  std::uint64_t calls_ = 0;
  // For each unanswered call: a function that breaks it.
  std::map<std::uint64_t, std::function<void()>> open_;
  std::map<std::uint64_t, Parked> parked_;
};

}  // namespace layernas::simulation
