#include "controller/engine/worker_book.h"

#include <algorithm>

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
  found->second.lost = false;
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
      failing_.erase(longest_silent->first);
      // It may come back, and is no stranger to whoever was told of its shun.
      if (by_shun_end_.erase({longest_silent->second.shunned_until, longest_silent->first}) > 0) {
        by_shun_end_.emplace(SteadyTime::min(), longest_silent->first);
      }
      workers_.erase(longest_silent);
    }
  }
}

void WorkerBook::Succeeded(const std::string& id) {
  if (failing_.empty() || failing_.erase(id) == 0) return;
  Worker& worker = workers_.at(id);
  worker.failures_in_a_row = 0;
  worker.last_failure.clear();
  worker.last_shun = Millis{0};
}

bool WorkerBook::Lost(const std::string& id) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second.lost) return false;
  found->second.lost = true;
  return true;
}

bool WorkerBook::Failed(const std::string& id, const std::string& message, SteadyTime now) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return false;
  Worker& worker = found->second;
  failing_.insert(id);
  ++worker.failures_in_a_row;
  worker.last_failure = message;
  if (worker.shunned || worker.failures_in_a_row < kFailuresBorne) return false;
  worker.shunned = true;
  worker.last_shun = worker.last_shun == Millis{0} ? kFirstShun : std::min(kLongestShun, 2 * worker.last_shun);
  worker.shunned_until = now + worker.last_shun;
  by_shun_end_.emplace(worker.shunned_until, id);
  return true;
}

std::vector<std::string> WorkerBook::EndShuns(SteadyTime now) {
  std::vector<std::string> ended;
  while (!by_shun_end_.empty() && by_shun_end_.begin()->first <= now) {
    ended.push_back(by_shun_end_.begin()->second);
    if (const auto worker = workers_.find(ended.back()); worker != workers_.end()) worker->second.shunned = false;
    by_shun_end_.erase(by_shun_end_.begin());
  }
  return ended;
}

bool WorkerBook::IsOnProbation(const std::string& id) const {
  if (!failing_.contains(id)) return false;
  return workers_.at(id).failures_in_a_row >= kFailuresBorne;
}

}  // namespace layernas
