#include "controller/engine/lease_book.h"

namespace layernas {

void LeaseBook::Set(Key key, const std::string& worker, SteadyTime deadline) {
  Remove(key);
  leases_.emplace(key, Lease{worker, deadline});
  by_deadline_.emplace(deadline, key);
  by_worker_[worker].insert(key);
}

void LeaseBook::Remove(Key key) {
  const auto lease = leases_.find(key);
  if (lease == leases_.end()) return;
  by_deadline_.erase({lease->second.deadline, key});
  const auto worker = by_worker_.find(lease->second.worker);
  worker->second.erase(key);
  if (worker->second.empty()) by_worker_.erase(worker);
  leases_.erase(lease);
}

bool LeaseBook::Holds(Key key, const std::string& worker) const {
  const auto lease = leases_.find(key);
  return lease != leases_.end() && lease->second.worker == worker;
}

std::vector<LeaseBook::Key> LeaseBook::Expired(SteadyTime now) const {
  std::vector<Key> expired;
  for (const auto& [deadline, key] : by_deadline_) {
    if (deadline > now) break;
    expired.push_back(key);
  }
  return expired;
}

const std::set<LeaseBook::Key>& LeaseBook::OfWorker(const std::string& worker) const {
  static const std::set<Key> kNone;
  const auto leases = by_worker_.find(worker);
  return leases == by_worker_.end() ? kNone : leases->second;
}

}  // namespace layernas
