// The actions that an AgentMachine returns.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {

// Calls to the controller. The caller passes `call` back to the machine with the response or the
// failure. At most one call of each kind is in progress.
struct SendPoll {
  std::uint64_t call = 0;
  v1::LeaseTasksRequest request;
  Millis timeout{0};
  // True: asks again for tasks that an earlier, cancelled call may have been given. CutPollsOff
  // does not affect this call.
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
// Cancels the poll in progress and makes all later polls fail.
struct CutPollsOff {};

// Starts an evaluation in a free slot. The machine must be told how the evaluation ends, in every
// case.
struct StartEvaluation {
  int slot = 0;
  std::shared_ptr<const v1::Task> task;
};
struct StopEvaluation {
  int slot = 0;
};

// Counts an ended evaluation in the metrics.
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

// The drain is over. No action follows, and calls in progress can be cancelled.
struct Finished {};

using Action = std::variant<SendPoll, SendHeartbeat, SendCompletions, SendRelease, CutPollsOff, StartEvaluation,
                            StopEvaluation, EvaluationOver, CallFailed, LogLine, Finished>;

}  // namespace layernas
