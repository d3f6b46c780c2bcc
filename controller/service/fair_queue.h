// Runs work that takes long for callers, beside the threads that serve calls.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "common/base/mutex.h"

namespace layernas {

// One thread, which runs one piece of work at a time and takes the callers in turn, so that no caller waits for all the
// work of another. Thread-safe.
class FairQueue {
 public:
  // `max_waiting` is the maximum work that waits for one caller, besides what runs.
  explicit FairQueue(std::size_t max_waiting) : max_waiting_(max_waiting), thread_([this] { Run(); }) {}
  // Runs what waits, then ends.
  ~FairQueue();
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // RESOURCE_EXHAUSTED if as much work of the caller waits as may. Only where it returns OK is `work` called, once.
  absl::Status Post(const std::string& caller, std::function<void()> work);

 private:
  void Run();

  const std::size_t max_waiting_;

  Mutex mutex_;
  CondVar changed_;
  // Only callers that have any.
  std::map<std::string, std::deque<std::function<void()>>> waiting_ ABSL_GUARDED_BY(mutex_);
  // The caller whose work was taken last.
  std::string last_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Last, because it uses the others.
  std::thread thread_;
};

}  // namespace layernas
