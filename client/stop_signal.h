// A request to stop a long wait, on Ctrl-C or for another reason.
#pragma once

#include <signal.h>

#include <atomic>
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
  // Waits up to `timeout`. Returns true as soon as a stop is requested.
  bool WaitFor(Millis timeout);

  // Runs `callback` when a stop is requested, or immediately if it already was. Destroying the
  // object unregisters the callback.
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

// During its lifetime SIGINT, SIGTERM and SIGHUP request a stop instead of ending the process.
// SIGHUP stays ignored if it was ignored before (nohup). A second signal after more than a second
// ends the process. Create it on the main thread before all threads that must not receive these
// signals, and so before the first connection.
class StopOnInterrupt {
 public:
  // From when on a first signal requests a stop. Before, it ends the process, as without this object.
  enum class From { kNow, kArmed };

  explicit StopOnInterrupt(StopSignal& signal, From from = From::kNow);
  ~StopOnInterrupt();
  StopOnInterrupt(const StopOnInterrupt&) = delete;
  StopOnInterrupt& operator=(const StopOnInterrupt&) = delete;

  // Call it before the wait that a signal stops: calls before it may take long, and nothing else
  // would end them.
  void Arm() { armed_ = true; }

 private:
  void Listen();

  StopSignal& signal_;
  std::atomic<bool> armed_;
  sigset_t before_;
  Fd signals_;
  Fd end_;
  std::thread listener_;
};

}  // namespace layernas::client
