// What an AgentMachine wants done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {

// Calls to the controller. `call` goes back to the machine with the answer, or with the failure. Of each kind at most
// one is under way.
struct SendPoll {
  std::uint64_t call = 0;
  v1::LeaseTasksRequest request;
  Millis timeout{0};
  // Asks once more for what a call that was cut off may have been given; CutPollsOff does not concern it.
  bool is_last = false;
};
struct SendHeartbeat {
  std::uint64_t call = 0;
  v1::HeartbeatRequest request;
  Millis timeout{0};
};
struct SendCompletions {
  std::uint64_t call = 0;
  v1::CompleteTasksRequest request;
  Millis timeout{0};
};
struct SendRelease {
  std::uint64_t call = 0;
  v1::ReleaseTasksRequest request;
  Millis timeout{0};
};
// Polls fail from now on, the one under way too.
struct CutPollsOff {};

// The slot is free before. It is told to the machine how the evaluation ends, whatever comes.
struct StartEvaluation {
  int slot = 0;
  std::shared_ptr<const v1::Task> task;
};
struct StopEvaluation {
  int slot = 0;
};

// For metrics.
struct EvaluationOver {
  enum class How { kSucceeded, kInfeasible, kFailed, kCancelled };
  v1::Work work = v1::WORK_UNSPECIFIED;
  How how = How::kSucceeded;
  double seconds = 0;
};
enum class CallFailed { kHeartbeat, kOther };

// A line for the log.
struct LogLine {
  log::Level level = log::Level::kInfo;
  std::string_view message;
  std::vector<log::Field> fields;
};

// The drain is over; nothing follows, and calls under way can be cut off.
struct Finished {
  // Results that the controller could not be given.
  std::size_t undelivered = 0;
};

using Action = std::variant<SendPoll, SendHeartbeat, SendCompletions, SendRelease, CutPollsOff, StartEvaluation,
                            StopEvaluation, EvaluationOver, CallFailed, LogLine, Finished>;

}  // namespace layernas
