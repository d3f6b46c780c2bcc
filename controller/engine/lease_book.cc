#include "controller/engine/lease_book.h"

#include "common/base/random.h"

namespace layernas {

std::size_t LeaseBook::KeyHash::operator()(const Key& key) const { return MixKey({key.search, key.number}); }

// Most leases are the newest in every order, so they are inserted at the ends.
void LeaseBook::Set(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance) {
  const auto lease = leases_.find(key);
  if (lease == leases_.end()) {
    Add(key, worker, deadline, instance);
  } else if (lease->second.worker->first == worker) {
    if (!instance.empty()) lease->second.instance = instance;
    by_deadline_.erase(lease->second.deadline);
    lease->second.deadline = by_deadline_.emplace_hint(by_deadline_.end(), deadline, key);
  } else {
    Remove(key);
    Add(key, worker, deadline, instance);
  }
}

void LeaseBook::Rename(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance) {
  const Lease before = leases_.at(key);
  Set(key, worker, deadline, instance);
  Lease& lease = leases_.at(key);
  lease.progress = before.progress;
  lease.clock_set = before.clock_set;
  lease.restored = before.restored;
}

void LeaseBook::Restore(Key key, const std::string& worker, SteadyTime deadline) {
  Set(key, worker, deadline);
  leases_.at(key).restored = true;
}

void LeaseBook::Add(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance) {
  ByWorker::value_type& holder = *by_worker_.try_emplace(worker).first;
  holder.second.insert(holder.second.end(), key);
  leases_.emplace(key, Lease{&holder, by_deadline_.emplace_hint(by_deadline_.end(), deadline, key), instance});
}

void LeaseBook::Remove(Key key) {
  const auto lease = leases_.find(key);
  if (lease == leases_.end()) return;
  by_deadline_.erase(lease->second.deadline);
  ByWorker::value_type& holder = *lease->second.worker;
  holder.second.erase(key);
  if (holder.second.empty()) by_worker_.erase(by_worker_.find(holder.first));
  leases_.erase(lease);
}

void LeaseBook::ClockWasSet(Millis ahead, bool restored) {
  for (auto& [key, lease] : leases_) {
    if (restored || !lease.restored) lease.clock_set += ahead;
  }
}

Millis LeaseBook::ClockSetSince(Key key) const {
  const auto lease = leases_.find(key);
  return lease == leases_.end() ? Millis{0} : lease->second.clock_set;
}

bool LeaseBook::IsOf(Key key, const std::string& instance) const {
  const auto lease = leases_.find(key);
  return lease != leases_.end() && !instance.empty() && lease->second.instance == instance;
}

bool LeaseBook::Holds(Key key, const std::string& worker) const {
  const auto lease = leases_.find(key);
  return lease != leases_.end() && lease->second.worker->first == worker;
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
