#include "worker/trainer/stop_signal.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace layernas::trainer {
namespace {

std::atomic<bool> deferred{false};
std::atomic<int> requested{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void OnSignal(int signal) {
  if (!deferred || requested.exchange(signal) != 0) _exit(128 + signal);
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
