#include "controller/engine/worker_book.h"

#include <algorithm>
#include <utility>

namespace layernas {
namespace {

// Above this number all entries are dropped and created again on use, because searches come and go.
constexpr std::size_t kMaxRequirements = 1000;

}  // namespace

std::size_t WorkerBook::CountOf(const std::string& owner) const {
  return static_cast<std::size_t>(std::count_if(
      workers_.begin(), workers_.end(), [&owner](const auto& worker) { return worker.second.info.owner == owner; }));
}

void WorkerBook::Count(const Worker& worker, std::size_t sign, Fit& fit) {
  fit.known += sign;
  if (worker.away) return;
  fit.connected += sign;
  if (worker.shunned) fit.shunned += sign;
}

void WorkerBook::CountFit(const Worker& worker, int sign) {
  fewer_ = fewer_ || sign < 0;
  for (auto& [requirements, fit] : fits_) {
    if (Meets(worker.info, requirements)) Count(worker, static_cast<std::size_t>(sign), fit);
  }
}

const WorkerBook::Fit& WorkerBook::FitOf(const PollBook::Requirements& requirements) {
  const auto found = fits_.find(requirements);
  if (found != fits_.end()) return found->second;
  if (fits_.size() >= kMaxRequirements) fits_.clear();
  Fit& fit = fits_[requirements];
  for (const auto& [id, worker] : workers_) {
    if (Meets(worker.info, requirements)) Count(worker, 1, fit);
  }
  return fit;
}

bool WorkerBook::HasOthers(const std::string& id, const PollBook::Requirements& requirements) {
  if (expected_.size() > expected_.count(id)) return true;
  const auto own = workers_.find(id);
  const std::size_t itself = own != workers_.end() && Meets(own->second.info, requirements) ? 1 : 0;
  return FitOf(requirements).known > itself;
}

bool WorkerBook::HasOthersUnshunned(const std::string& id, const PollBook::Requirements& requirements) {
  const auto own = workers_.find(id);
  const bool counts =
      own != workers_.end() && !own->second.shunned && !own->second.away && Meets(own->second.info, requirements);
  const Fit& fit = FitOf(requirements);
  return fit.connected - fit.shunned > (counts ? 1 : 0);
}

const std::string* WorkerBook::IdOf(const std::string& name) const {
  const auto found = workers_.find(name);
  return found == workers_.end() ? nullptr : &found->second.id;
}

std::string WorkerBook::NameOf(const std::string& id, const std::string& instance) const {
  return names_.NameOf(id, instance, [this](const std::string& name) { return IdOf(name); });
}

std::string WorkerBook::OwnerOf(const std::string& id, const std::string& instance) const {
  const auto found = workers_.find(NameOf(id, instance));
  return found == workers_.end() ? "" : found->second.info.owner;
}

WorkerNames::Heard WorkerBook::Hear(WorkerInfo worker, SteadyTime now) {
  const std::string id = worker.id;
  const std::string instance = worker.instance;
  WorkerNames::Heard heard = names_.Hear(id, instance, [this](const std::string& name) { return IdOf(name); });
  worker.id = heard.name;
  Note(std::move(worker), id, now);
  if (heard.is_told_apart) {
    const auto former = workers_.find(id);
    if (former != workers_.end() && former->second.failed_instance == instance) MoveFailures(id, heard.name);
  }
  return heard;
}

void WorkerBook::HearWaiting(const std::string& name, SteadyTime now) {
  const auto found = workers_.find(name);
  if (found != workers_.end()) Note(found->second.info, found->second.id, now);
}

void WorkerBook::Expect(const std::string& name, SteadyTime now) {
  expected_.insert(name);
  expected_since_ = now;
}

void WorkerBook::Note(WorkerInfo worker, const std::string& id, SteadyTime heard) {
  expected_.erase(worker.id);
  const auto [found, is_new] = workers_.try_emplace(worker.id);
  Worker& known = found->second;
  if (is_new) {
    known.id = id;
    known.order = by_hearing_.insert(by_hearing_.end(), worker.id);
  } else {
    by_hearing_.splice(by_hearing_.end(), known.away ? away_ : by_hearing_, known.order);
  }
  if (is_new || known.away || !(known.info == worker)) {
    if (!is_new) CountFit(known, -1);
    known.info = std::move(worker);
    known.away = false;
    CountFit(known, 1);
  }
  known.heard = heard;
  known.lost = false;
}

void WorkerBook::MoveFailures(const std::string& from, const std::string& to) {
  Worker& one = workers_.at(from);
  Worker& other = workers_.at(to);
  CountFit(one, -1);
  CountFit(other, -1);
  other.failures = std::exchange(one.failures, {});
  other.last_failure = std::exchange(one.last_failure, {});
  other.failed_instance = std::exchange(one.failed_instance, {});
  other.succeeded_last = std::exchange(one.succeeded_last, {});
  other.last_shun = std::exchange(one.last_shun, Millis{0});
  other.shunned = std::exchange(one.shunned, false);
  other.shunned_until = one.shunned_until;
  other.shunned_for = std::exchange(one.shunned_for, {});
  other.on_probation = std::exchange(one.on_probation, false);
  other.test = std::exchange(one.test, {});
  CountFit(one, 1);
  CountFit(other, 1);
  if (failing_.erase(from) > 0) failing_.insert(to);
  if (by_shun_end_.erase({one.shunned_until, from}) > 0) by_shun_end_.emplace(other.shunned_until, to);
}

void WorkerBook::NoteAway(SteadyTime since, SteadyTime now, const std::function<bool(const std::string&)>& is_there) {
  while (!by_hearing_.empty()) {
    Worker& longest_silent = workers_.at(by_hearing_.front());
    if (longest_silent.heard >= since) return;
    if (is_there(by_hearing_.front())) {
      longest_silent.heard = now;
      by_hearing_.splice(by_hearing_.end(), by_hearing_, by_hearing_.begin());
    } else {
      CountFit(longest_silent, -1);
      longest_silent.away = true;
      CountFit(longest_silent, 1);
      away_.splice(away_.end(), by_hearing_, by_hearing_.begin());
    }
  }
}

void WorkerBook::Forget(SteadyTime since) {
  if (expected_since_ < since) expected_.clear();
  while (!away_.empty()) {
    const auto longest_silent = workers_.find(away_.front());
    if (longest_silent->second.heard >= since) return;
    Erase(longest_silent);
  }
}

void WorkerBook::Leave(const std::string& id, const std::string& instance) {
  expected_.erase(id);
  expected_.erase(NameOf(id, instance));
  const auto found = workers_.find(NameOf(id, instance));
  if (found != workers_.end() && found->second.info.instance == instance) {
    Erase(found);
  } else {
    names_.ForgetFollowed(id, instance);
  }
}

void WorkerBook::Erase(std::map<std::string, Worker>::iterator worker) {
  (worker->second.away ? away_ : by_hearing_).erase(worker->second.order);
  failing_.erase(worker->first);
  // The worker may come back. EndShuns() must still return its name to callers that were told of
  // its shun.
  if (by_shun_end_.erase({worker->second.shunned_until, worker->first}) > 0) {
    by_shun_end_.emplace(SteadyTime::min(), worker->first);
  }
  CountFit(worker->second, -1);
  names_.ForgetName(worker->second.id, worker->first);
  workers_.erase(worker);
}

void WorkerBook::Succeeded(const std::string& id, core::TaskKind kind) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  worker.succeeded_last[static_cast<std::size_t>(kind)] = true;
  worker.on_probation = false;
  if (failing_.empty() || !failing_.contains(id)) return;
  worker.failures[static_cast<std::size_t>(kind)] = 0;
  if (FailuresInARow(worker) > 0) return;
  failing_.erase(id);
  worker.last_failure.clear();
  worker.failed_instance.clear();
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

bool WorkerBook::Failed(const std::string& id, core::TaskKind kind, const PollBook::Requirements& require,
                        const std::string& message, SteadyTime now) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return false;
  Worker& worker = found->second;
  failing_.insert(id);
  worker.succeeded_last[static_cast<std::size_t>(kind)] = false;
  const int failures = ++worker.failures[static_cast<std::size_t>(kind)];
  worker.last_failure = message;
  worker.failed_instance = worker.info.instance;
  if (worker.shunned || failures < kFailuresBorne) return false;
  CountFit(worker, -1);
  worker.shunned = true;
  CountFit(worker, 1);
  worker.last_shun = worker.last_shun == Millis{0} ? kFirstShun : std::min(kLongestShun, 2 * worker.last_shun);
  worker.shunned_until = now + worker.last_shun;
  worker.shunned_for = require;
  worker.on_probation = true;
  worker.test.reset();
  by_shun_end_.emplace(worker.shunned_until, id);
  return true;
}

std::vector<std::string> WorkerBook::EndShuns(SteadyTime now) {
  std::vector<std::pair<SteadyTime, std::string>> ended;
  for (const auto& shun : by_shun_end_) {
    const auto worker = workers_.find(shun.second);
    if (shun.first <= now) {
      ended.push_back(shun);
    } else if (!fewer_) {
      break;
    } else if (worker != workers_.end()) {
      const Fit& fit = FitOf(worker->second.shunned_for);
      if (fit.shunned == fit.connected) ended.push_back(shun);
    }
  }
  fewer_ = false;
  std::vector<std::string> names;
  for (const auto& shun : ended) {
    if (const auto worker = workers_.find(shun.second); worker != workers_.end()) {
      CountFit(worker->second, -1);
      worker->second.shunned = false;
      CountFit(worker->second, 1);
    }
    by_shun_end_.erase(shun);
    names.push_back(shun.second);
  }
  return names;
}

bool WorkerBook::IsOnProbation(const std::string& id) const {
  if (!failing_.contains(id)) return false;
  return workers_.at(id).on_probation;
}

void WorkerBook::BeginTest(const std::string& id, LeaseBook::Key task) {
  if (const auto found = workers_.find(id); found != workers_.end()) found->second.test = task;
}

std::optional<LeaseBook::Key> WorkerBook::TestOf(const std::string& id) const {
  const auto found = workers_.find(id);
  return found == workers_.end() ? std::nullopt : found->second.test;
}

}  // namespace layernas
