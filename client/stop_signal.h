// Ends a long wait: on Ctrl-C, or when something else makes it pointless.
#pragma once

#include <signal.h>

#include <functional>
#include <thread>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/process/fd.h"

namespace layernas::client {

// Thread-safe.
class StopSignal {
 public:
  void Request();
  bool requested() const;
  // Sleeps up to `timeout`; true as soon as a stop is requested.
  bool WaitFor(Millis timeout);

  // Runs `callback` at the request (at once if it was made already) until the object is gone.
  class Callback {
   public:
    Callback(StopSignal& signal, std::function<void()> callback);
    ~Callback();
    Callback(const Callback&) = delete;
    Callback& operator=(const Callback&) = delete;

   private:
    StopSignal& signal_;
  };

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool requested_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> callback_ ABSL_GUARDED_BY(mutex_);
};

// While it lives, SIGINT, SIGTERM and, unless it was ignored before (nohup), SIGHUP request a stop instead of ending
// the process; one that comes more than a second later ends it. Must be made before the threads that shall not be hit:
// on the main thread, ahead of the first connection.
class StopOnInterrupt {
 public:
  explicit StopOnInterrupt(StopSignal& signal);
  ~StopOnInterrupt();
  StopOnInterrupt(const StopOnInterrupt&) = delete;
  StopOnInterrupt& operator=(const StopOnInterrupt&) = delete;

 private:
  void Listen();

  StopSignal& signal_;
  sigset_t before_;
  Fd signals_;
  Fd end_;
  std::thread listener_;
};

}  // namespace layernas::client
