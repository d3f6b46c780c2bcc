#include "controller/engine/poll_book.h"

#include <algorithm>
#include <iterator>

#include "common/base/label.h"

namespace layernas {
namespace {

// Above this number all entries are dropped and created again on use, because searches come and go.
constexpr std::size_t kMaxRequirements = 1000;

bool MeetsOne(const WorkerInfo& worker, const PollBook::Requirements::value_type& label) {
  const auto has = worker.labels.find(label.first);
  return has != worker.labels.end() && LabelMeets(has->second, label.second);
}

}  // namespace

bool Meets(const WorkerInfo& worker, const PollBook::Requirements& requirements) {
  return std::all_of(requirements.begin(), requirements.end(),
                     [&](const auto& label) { return MeetsOne(worker, label); });
}

PollBook::Requirements LackingOf(const WorkerInfo& worker, const PollBook::Requirements& requirements) {
  PollBook::Requirements lacking = requirements;
  std::erase_if(lacking, [&](const auto& label) { return MeetsOne(worker, label); });
  return lacking;
}

void PollBook::Park(Poll poll) {
  const PollId id = poll.id;
  by_deadline_.emplace_hint(by_deadline_.end(), poll.request.deadline, id);
  by_worker_[poll.request.worker.id].push_back(id);
  if (!IsHeldBack(poll)) {
    for (auto& [requirements, fitting] : fitting_) {
      if (Meets(poll.request.worker, requirements)) fitting.insert(fitting.end(), poll.id);
    }
  }
  polls_.emplace(id, std::move(poll));
}

std::optional<Poll> PollBook::Take(PollId id) {
  const auto found = polls_.find(id);
  if (found == polls_.end()) return std::nullopt;
  Poll poll = std::move(found->second);
  polls_.erase(found);
  by_deadline_.erase({poll.request.deadline, id});
  const auto worker = by_worker_.find(poll.request.worker.id);
  std::erase(worker->second, id);
  if (worker->second.empty()) by_worker_.erase(worker);
  for (auto& [requirements, fitting] : fitting_) fitting.erase(poll.id);
  return poll;
}

PollId PollBook::Find(const std::string& worker, const std::string& request_id) const {
  const auto polls = by_worker_.find(worker);
  if (polls == by_worker_.end()) return 0;
  const auto found = std::find_if(polls->second.begin(), polls->second.end(),
                                  [&](PollId id) { return polls_.at(id).request.request_id == request_id; });
  return found == polls->second.end() ? 0 : *found;
}

std::vector<PollId> PollBook::Of(const std::string& worker, const std::string& instance) const {
  std::vector<PollId> polls;
  const auto found = by_worker_.find(worker);
  if (found == by_worker_.end()) return polls;
  std::copy_if(found->second.begin(), found->second.end(), std::back_inserter(polls),
               [&](PollId id) { return polls_.at(id).request.worker.instance == instance; });
  return polls;
}

void PollBook::Rename(const std::string& worker, const std::string& instance, const std::string& to) {
  for (const PollId id : Of(worker, instance)) {
    Poll poll = *Take(id);
    poll.request.worker.id = to;
    Park(std::move(poll));
  }
}

std::vector<PollId> PollBook::Expired(SteadyTime now) const {
  std::vector<PollId> expired;
  for (const auto& [deadline, id] : by_deadline_) {
    if (deadline > now) break;
    expired.push_back(id);
  }
  return expired;
}

PollBook::Fitting& PollBook::FittingTo(const Requirements& requirements) {
  const auto found = fitting_.find(requirements);
  if (found != fitting_.end()) return found->second;
  if (fitting_.size() >= kMaxRequirements) fitting_.clear();
  Fitting& fitting = fitting_[requirements];
  for (const auto& [id, poll] : polls_) {
    if (!IsHeldBack(poll) && Meets(poll.request.worker, requirements)) fitting.insert(fitting.end(), poll.id);
  }
  return fitting;
}

const Poll* PollBook::OldestAfter(PollId after, const Requirements& requirements) {
  const std::set<PollId>& polls = FittingTo(requirements);
  const auto oldest = polls.upper_bound(after);
  return oldest == polls.end() ? nullptr : &polls_.at(*oldest);
}

SteadyTime PollBook::Awaits(PollId id, SteadyTime now) {
  std::optional<SteadyTime>& since = polls_.at(id).awaits_since;
  if (!since) since = now;
  return *since;
}

void PollBook::HoldBack(const std::string& worker) {
  held_back_.insert(worker);
  const auto polls = by_worker_.find(worker);
  if (polls == by_worker_.end()) return;
  for (const PollId id : polls->second) {
    for (auto& [requirements, fitting] : fitting_) fitting.erase(id);
  }
}

void PollBook::LetIn(const std::string& worker) {
  held_back_.erase(worker);
  const auto polls = by_worker_.find(worker);
  if (polls == by_worker_.end()) return;
  for (const PollId id : polls->second) {
    const Poll& poll = polls_.at(id);
    for (auto& [requirements, fitting] : fitting_) {
      if (Meets(poll.request.worker, requirements)) fitting.insert(id);
    }
  }
}

bool PollBook::IsHeldBack(const Poll& poll) const {
  return !held_back_.empty() && held_back_.contains(poll.request.worker.id);
}

std::vector<Poll> PollBook::Clear() {
  std::vector<PollId> ids;
  ids.reserve(polls_.size());
  for (const auto& [id, poll] : polls_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  std::vector<Poll> polls;
  polls.reserve(ids.size());
  for (const PollId id : ids) polls.push_back(*Take(id));
  return polls;
}

}  // namespace layernas
