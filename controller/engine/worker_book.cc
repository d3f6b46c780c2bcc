#include "controller/engine/worker_book.h"

namespace layernas {

void WorkerBook::Hear(const WorkerInfo& worker, SteadyTime now) {
  const auto [found, is_new] = workers_.try_emplace(worker.id);
  if (is_new) {
    found->second.order = by_hearing_.insert(by_hearing_.end(), worker.id);
  } else {
    by_hearing_.splice(by_hearing_.end(), by_hearing_, found->second.order);
  }
  if (!(found->second.info == worker)) found->second.info = worker;
  found->second.heard = now;
}

void WorkerBook::Forget(SteadyTime since, SteadyTime now, const std::function<bool(const std::string&)>& is_there) {
  while (!by_hearing_.empty()) {
    const auto longest_silent = workers_.find(by_hearing_.front());
    if (longest_silent->second.heard >= since) return;
    if (is_there(longest_silent->first)) {
      longest_silent->second.heard = now;
      by_hearing_.splice(by_hearing_.end(), by_hearing_, by_hearing_.begin());
    } else {
      by_hearing_.pop_front();
      workers_.erase(longest_silent);
    }
  }
}

}  // namespace layernas
