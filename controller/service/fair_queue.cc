#include "controller/service/fair_queue.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace layernas {

FairQueue::~FairQueue() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
}

absl::Status FairQueue::Post(const std::string& caller, std::function<void()> work) {
  {
    MutexLock lock(mutex_);
    if (!waiting_.Add(caller, max_waiting_, std::move(work))) {
      return absl::ResourceExhaustedError(absl::StrCat("the controller is already checking ", max_waiting_,
                                                       " specs of ", caller, "; retry when some are done"));
    }
  }
  changed_.NotifyOne();
  return absl::OkStatus();
}

void FairQueue::Run() {
  while (true) {
    std::function<void()> work;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) changed_.Wait(mutex_);
      if (waiting_.empty()) return;
      work = waiting_.Take();
    }
    work();
  }
}

}  // namespace layernas
