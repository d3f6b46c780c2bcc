// Runs slow work for callers, apart from the threads that serve calls.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "controller/service/turn_order.h"

namespace layernas {

// One thread that runs one piece of work at a time. It serves the callers in turn, so that no
// caller waits for all the work of another one. Thread-safe.
class FairQueue {
 public:
  // `max_waiting` is the maximum work that waits for one caller, not counting running work.
  explicit FairQueue(std::size_t max_waiting) : max_waiting_(max_waiting), thread_([this] { Run(); }) {}
  // Runs the waiting work, then ends.
  ~FairQueue();
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // Returns RESOURCE_EXHAUSTED if the maximum work of the caller already waits. `work` is called
  // once if this returns OK, and otherwise never.
  absl::Status Post(const std::string& caller, std::function<void()> work);

 private:
  void Run();

  const std::size_t max_waiting_;

  Mutex mutex_;
  CondVar changed_;
  TurnOrder waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Last member, because it uses the others.
  std::thread thread_;
};

}  // namespace layernas
