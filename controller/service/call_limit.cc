#include "controller/service/call_limit.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace layernas {

absl::Status CallLimit::Begin(const std::string& caller, std::function<void()> begin) {
  MutexLock lock(mutex_);
  if (!waiting_.Add(caller, max_waiting_, std::move(begin))) {
    return absl::ResourceExhaustedError(
        absl::StrCat(max_waiting_, " calls of ", caller, " already wait; retry when some are done"));
  }
  BeginWaiting();
  return absl::OkStatus();
}

void CallLimit::Done() {
  MutexLock lock(mutex_);
  --running_;
  BeginWaiting();
}

void CallLimit::BeginWaiting() {
  if (beginning_) return;
  beginning_ = true;
  while (running_ < max_running_ && !waiting_.empty()) {
    const std::function<void()> begin = waiting_.Take();
    ++running_;
    mutex_.unlock();
    begin();
    mutex_.lock();
  }
  beginning_ = false;
}

}  // namespace layernas
