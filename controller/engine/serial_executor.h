// A thread that runs functions one after the other.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "common/base/mutex.h"
#include "controller/engine/executor.h"

namespace layernas {

// Thread-safe.
class SerialExecutor final : public Executor {
 public:
  SerialExecutor() : thread_([this] { Run(); }) {}
  // Runs the queued functions, then ends.
  ~SerialExecutor() override;
  SerialExecutor(const SerialExecutor&) = delete;
  SerialExecutor& operator=(const SerialExecutor&) = delete;

  void Post(std::function<void()> work) override;

 private:
  void Run();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace layernas
