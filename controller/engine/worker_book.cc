#include "controller/engine/worker_book.h"

#include <algorithm>
#include <utility>

namespace layernas {
namespace {

// More than so many are made anew when they are needed again: searches come and go.
constexpr std::size_t kMaxRequirements = 1000;
// Of an instance, in a name.
constexpr std::size_t kInstanceShown = 6;
// Processes remembered under one id: one that is restarted all the time does not fill the memory.
constexpr std::size_t kMaxInstances = 100;

}  // namespace

std::string WorkerBook::NameOf(const std::string& id, const std::string& instance, std::string& renamed) {
  renamed.clear();
  if (instance.empty()) return id;
  Instances& known = instances_[id];
  if (known.current.empty() && !known.names.contains(instance)) known.current = instance;
  if (known.current == instance) return id;
  const auto [found, is_new] = known.names.try_emplace(instance);
  if (is_new) {
    // Most likely the worker was restarted.
    if (known.names.size() > kMaxInstances) known.names.clear();
    known.names.erase(instance);
    known.names.emplace(std::exchange(known.current, instance), "");
    return id;
  }
  if (!found->second.empty()) return found->second;
  known.names.erase(found);
  if (!known.current.empty()) {
    renamed = id + "~" + known.current.substr(0, kInstanceShown);
    known.names.emplace(known.current, renamed);
  }
  known.current = instance;
  return id;
}

void WorkerBook::CountFit(const Worker& worker, int sign) {
  for (auto& [requirements, fit] : fits_) {
    if (!Meets(worker.info, requirements)) continue;
    fit.connected += static_cast<std::size_t>(sign);
    if (worker.shunned) fit.shunned += static_cast<std::size_t>(sign);
  }
}

const WorkerBook::Fit& WorkerBook::FitOf(const PollBook::Requirements& requirements) {
  const auto found = fits_.find(requirements);
  if (found != fits_.end()) return found->second;
  if (fits_.size() >= kMaxRequirements) fits_.clear();
  Fit& fit = fits_[requirements];
  for (const auto& [id, worker] : workers_) {
    if (!Meets(worker.info, requirements)) continue;
    ++fit.connected;
    if (worker.shunned) ++fit.shunned;
  }
  return fit;
}

bool WorkerBook::HasOthers(const std::string& id, const PollBook::Requirements& requirements) {
  const auto own = workers_.find(id);
  const std::size_t itself = own != workers_.end() && Meets(own->second.info, requirements) ? 1 : 0;
  return FitOf(requirements).connected > itself;
}

bool WorkerBook::HasOthersUnshunned(const std::string& id, const PollBook::Requirements& requirements) {
  const auto own = workers_.find(id);
  const std::size_t itself =
      own != workers_.end() && !own->second.shunned && Meets(own->second.info, requirements) ? 1 : 0;
  const Fit& fit = FitOf(requirements);
  return fit.connected - fit.shunned > itself;
}

void WorkerBook::Hear(const WorkerInfo& worker, SteadyTime now, const std::string& id) {
  const auto [found, is_new] = workers_.try_emplace(worker.id);
  if (is_new) found->second.id = id.empty() ? worker.id : id;
  if (is_new) {
    found->second.order = by_hearing_.insert(by_hearing_.end(), worker.id);
  } else {
    by_hearing_.splice(by_hearing_.end(), by_hearing_, found->second.order);
  }
  if (is_new) {
    found->second.info = worker;
    CountFit(found->second, 1);
  } else if (!(found->second.info == worker)) {
    CountFit(found->second, -1);
    found->second.info = worker;
    CountFit(found->second, 1);
  }
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
      Erase(longest_silent);
    }
  }
}

void WorkerBook::Leave(const std::string& name, const std::string& instance) {
  const auto found = workers_.find(name);
  if (found != workers_.end() && found->second.info.instance == instance) Erase(found);
}

void WorkerBook::Erase(std::map<std::string, Worker>::iterator worker) {
  by_hearing_.erase(worker->second.order);
  failing_.erase(worker->first);
  // It may come back, and is no stranger to whoever was told of its shun.
  if (by_shun_end_.erase({worker->second.shunned_until, worker->first}) > 0) {
    by_shun_end_.emplace(SteadyTime::min(), worker->first);
  }
  CountFit(worker->second, -1);
  // The names of the others stay while they are there.
  if (const auto known = instances_.find(worker->second.id); known != instances_.end()) {
    Instances& instances = known->second;
    if (instances.current == worker->second.info.instance) instances.current.clear();
    instances.names.erase(worker->second.info.instance);
    std::erase_if(instances.names, [&](const auto& one) { return one.second.empty(); });
    if (instances.current.empty() && instances.names.empty()) instances_.erase(known);
  }
  workers_.erase(worker);
}

void WorkerBook::Succeeded(const std::string& id, core::TaskKind kind) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  worker.succeeded_last[static_cast<std::size_t>(kind)] = true;
  if (failing_.empty() || !failing_.contains(id)) return;
  worker.failures[static_cast<std::size_t>(kind)] = 0;
  if (FailuresInARow(worker) > 0) return;
  failing_.erase(id);
  worker.last_failure.clear();
  worker.last_shun = Millis{0};
}

void WorkerBook::NotSucceeded(const std::string& id, core::TaskKind kind) {
  const auto found = workers_.find(id);
  if (found != workers_.end()) found->second.succeeded_last[static_cast<std::size_t>(kind)] = false;
}

bool WorkerBook::SucceededLast(const std::string& id, core::TaskKind kind) const {
  const auto found = workers_.find(id);
  return found != workers_.end() && found->second.succeeded_last[static_cast<std::size_t>(kind)];
}

int WorkerBook::FailuresInARow(const Worker& worker) {
  return *std::max_element(worker.failures.begin(), worker.failures.end());
}

bool WorkerBook::Lost(const std::string& id) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second.lost) return false;
  found->second.lost = true;
  return true;
}

bool WorkerBook::Failed(const std::string& id, core::TaskKind kind, const std::string& message, SteadyTime now) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return false;
  Worker& worker = found->second;
  failing_.insert(id);
  worker.succeeded_last[static_cast<std::size_t>(kind)] = false;
  const int failures = ++worker.failures[static_cast<std::size_t>(kind)];
  worker.last_failure = message;
  if (worker.shunned || failures < kFailuresBorne) return false;
  CountFit(worker, -1);
  worker.shunned = true;
  CountFit(worker, 1);
  worker.last_shun = worker.last_shun == Millis{0} ? kFirstShun : std::min(kLongestShun, 2 * worker.last_shun);
  worker.shunned_until = now + worker.last_shun;
  by_shun_end_.emplace(worker.shunned_until, id);
  return true;
}

std::vector<std::string> WorkerBook::EndShuns(SteadyTime now) {
  std::vector<std::string> ended;
  while (!by_shun_end_.empty() && by_shun_end_.begin()->first <= now) {
    ended.push_back(by_shun_end_.begin()->second);
    if (const auto worker = workers_.find(ended.back()); worker != workers_.end()) {
      CountFit(worker->second, -1);
      worker->second.shunned = false;
      CountFit(worker->second, 1);
    }
    by_shun_end_.erase(by_shun_end_.begin());
  }
  return ended;
}

bool WorkerBook::IsOnProbation(const std::string& id) const {
  if (!failing_.contains(id)) return false;
  return FailuresInARow(workers_.at(id)) >= kFailuresBorne;
}

}  // namespace layernas
