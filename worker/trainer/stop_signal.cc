#include "worker/trainer/stop_signal.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace layernas::trainer {
namespace {

std::atomic<bool> deferred{false};
std::atomic<int> requested{0};
// When the first signal was recorded, in seconds of the monotonic clock.
std::atomic<std::int64_t> requested_at{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free &&
              std::atomic<std::int64_t>::is_always_lock_free);

// A scheduler signals all processes of a job, and then the worker ends its evaluator; timeout(1) also
// passes a signal on. All of these arrive within moments.
constexpr std::int64_t kRepeatSeconds = 5;

void OnSignal(int signal) {
  if (!deferred) _exit(128 + signal);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  // The time is set first, because another thread may get the next signal at once.
  std::int64_t never = 0;
  requested_at.compare_exchange_strong(never, now.tv_sec);
  int none = 0;
  if (!requested.compare_exchange_strong(none, signal) && now.tv_sec - requested_at > kRepeatSeconds) {
    _exit(128 + signal);
  }
}

}  // namespace

void InstallStopSignals() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

StopSignal::StopSignal() { deferred = true; }

StopSignal::~StopSignal() {
  deferred = false;
  // The signal arrived after the last check.
  if (requested != 0) _exit(128 + requested);
}

int StopSignal::Requested() { return requested; }

}  // namespace layernas::trainer
