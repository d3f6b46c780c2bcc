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
    std::deque<std::function<void()>>& own = waiting_[caller];
    if (own.size() >= max_waiting_) {
      return absl::ResourceExhaustedError(absl::StrCat("the controller is already checking ", max_waiting_,
                                                       " specs of ", caller, "; retry when some are done"));
    }
    own.push_back(std::move(work));
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
      auto next = waiting_.upper_bound(last_);
      if (next == waiting_.end()) next = waiting_.begin();
      last_ = next->first;
      work = std::move(next->second.front());
      next->second.pop_front();
      if (next->second.empty()) waiting_.erase(next);
    }
    work();
  }
}

}  // namespace layernas
