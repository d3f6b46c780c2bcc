#include "client/stop_signal.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/process/stop_signals.h"

namespace layernas::client {
namespace {

constexpr std::chrono::seconds kSameRequest{1};

}  // namespace

void StopSignal::Request() {
  const MutexLock lock(mutex_);
  if (std::exchange(requested_, true)) return;
  if (callback_) callback_();
  changed_.NotifyAll();
}

bool StopSignal::requested() const {
  const MutexLock lock(mutex_);
  return requested_;
}

bool StopSignal::WaitFor(Millis timeout) {
  const SteadyTime end = std::chrono::steady_clock::now() + timeout;
  const MutexLock lock(mutex_);
  while (!requested_) {
    const auto left = std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    changed_.WaitFor(mutex_, left);
  }
  return true;
}

StopSignal::Callback::Callback(StopSignal& signal, std::function<void()> callback) : signal_(signal) {
  const MutexLock lock(signal_.mutex_);
  if (signal_.requested_) callback();
  signal_.callback_ = std::move(callback);
}

StopSignal::Callback::~Callback() {
  const MutexLock lock(signal_.mutex_);
  signal_.callback_ = nullptr;
}

StopOnInterrupt::StopOnInterrupt(StopSignal& signal, From from) : signal_(signal), armed_(from == From::kNow) {
  const sigset_t interrupts = StopSignals();
  pthread_sigmask(SIG_BLOCK, &interrupts, &before_);
  signals_ = Fd(::signalfd(-1, &interrupts, SFD_CLOEXEC));
  end_ = Fd(::eventfd(0, EFD_CLOEXEC));
  listener_ = std::thread(&StopOnInterrupt::Listen, this);
}

StopOnInterrupt::~StopOnInterrupt() {
  const std::uint64_t one = 1;
  // Cannot fail: a single write does not fill the counter of an eventfd.
  (void)!::write(end_.get(), &one, sizeof one);
  listener_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void StopOnInterrupt::Listen() {
  std::optional<SteadyTime> first;
  while (true) {
    std::array<pollfd, 2> wait = {{{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) continue;
    if (wait[1].revents != 0) return;
    signalfd_siginfo info;
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    // A second signal ends the process. Ignore signals within the first second, because timeout(1)
    // and other programs send a signal to the process and to its group.
    const SteadyTime now = std::chrono::steady_clock::now();
    if (!armed_ || (first.has_value() && now - *first > kSameRequest)) ::_exit(128 + static_cast<int>(info.ssi_signo));
    if (!first.has_value()) first = now;
    signal_.Request();
  }
}

}  // namespace layernas::client
