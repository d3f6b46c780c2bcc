// Limits how many calls are in progress, without a thread for those that wait.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "controller/service/turn_order.h"

namespace layernas {

// Answers of large reads share a thread with the answers of heartbeats, so only a few reads may be
// in progress. The others wait, and their callers get their turns one after another. Thread-safe.
class CallLimit {
 public:
  // `max_running` of all callers together; `max_waiting` of each caller.
  CallLimit(std::size_t max_running, std::size_t max_waiting) : max_running_(max_running), max_waiting_(max_waiting) {}

  // Calls `begin` when it is the caller's turn: at once, or on the thread that calls Done().
  // `begin` must not block. Returns RESOURCE_EXHAUSTED, and never calls `begin`, if too many calls
  // of the caller wait.
  absl::Status Begin(const std::string& caller, std::function<void()> begin);
  // Call it once for each call that began, when it ends.
  void Done();

 private:
  void BeginWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_running_;
  const std::size_t max_waiting_;
  Mutex mutex_;
  TurnOrder waiting_ ABSL_GUARDED_BY(mutex_);
  std::size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  // A thread is in BeginWaiting(). It begins all calls; otherwise a call that ends at once would
  // begin the next one within itself.
  bool beginning_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace layernas
