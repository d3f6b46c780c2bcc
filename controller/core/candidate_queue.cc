#include "controller/core/candidate_queue.h"

#include <algorithm>

namespace layernas::core {

void CandidateQueue::Push(Entry entry) {
  Place place{next_ticket_++, entry.kind, std::move(entry.avoid), entry.is_last, entry.not_before};
  ++sizes_[static_cast<std::size_t>(place.kind)];
  due_.emplace(*place.due, entry.number);
  places_.emplace(entry.number, std::move(place));
}

void CandidateQueue::Remove(std::uint64_t number) {
  const auto found = places_.find(number);
  if (found == places_.end()) return;
  Withhold(number);
  places_.erase(found);
}

void CandidateQueue::Withhold(std::uint64_t number) {
  Place& place = places_.at(number);
  if (place.is_withheld) return;
  if (place.due) due_.erase({*place.due, number});
  if (place.ready) Leave(number, place);
  --sizes_[static_cast<std::size_t>(place.kind)];
  place.due.reset();
  place.ready = false;
  place.is_withheld = true;
}

std::optional<std::uint64_t> CandidateQueue::Find(TaskKind kind, const std::string& worker, Others others,
                                                  SteadyTime now) {
  Advance(now);
  const Ready& ready = ReadyOf(kind);
  for (const auto& [ticket, group] : ready.heads) {
    // At most one group is passed over.
    if (others == Others::kSome && !group.empty() && group == worker) continue;
    return ready.groups.at(group).begin()->second;
  }
  return std::nullopt;
}

bool CandidateQueue::HoldsBack(TaskKind kind, const std::string& worker, Others others, SteadyTime now) {
  Advance(now);
  return others == Others::kSome && !worker.empty() && ReadyOf(kind).groups.contains(worker);
}

std::vector<std::uint64_t> CandidateQueue::Numbers() const {
  std::vector<std::pair<Ticket, std::uint64_t>> ordered;
  ordered.reserve(places_.size());
  for (const auto& [number, place] : places_) ordered.emplace_back(place.ticket, number);
  std::sort(ordered.begin(), ordered.end());
  std::vector<std::uint64_t> numbers;
  numbers.reserve(ordered.size());
  for (const auto& [ticket, number] : ordered) numbers.push_back(number);
  return numbers;
}

void CandidateQueue::Clear() {
  places_.clear();
  ready_ = {};
  sizes_ = {};
  due_.clear();
}

void CandidateQueue::Advance(SteadyTime now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const std::uint64_t number = due_.begin()->second;
    due_.erase(due_.begin());
    Place& place = places_.at(number);
    // Entries restored after a restart have no time of their own.
    const SteadyTime due = *place.due == SteadyTime() ? now : *place.due;
    place.due.reset();
    if (place.ready) {
      // Other workers had their time.
      Leave(number, place);
      place.avoid.clear();
      Enter(number, place);
      continue;
    }
    place.ready = true;
    Enter(number, place);
    if (place.avoid.empty()) continue;
    place.due = due + (place.is_last ? kElsewhereLast : kElsewhereFirst);
    due_.emplace(*place.due, number);
  }
}

void CandidateQueue::Enter(std::uint64_t number, const Place& place) {
  Ready& ready = ReadyOf(place.kind);
  auto& group = ready.groups[place.avoid];
  if (!group.empty()) ready.heads.erase({group.begin()->first, place.avoid});
  group.emplace(place.ticket, number);
  ready.heads.emplace(group.begin()->first, place.avoid);
}

void CandidateQueue::Leave(std::uint64_t number, const Place& place) {
  Ready& ready = ReadyOf(place.kind);
  const auto group = ready.groups.find(place.avoid);
  ready.heads.erase({group->second.begin()->first, place.avoid});
  group->second.erase({place.ticket, number});
  if (group->second.empty()) {
    ready.groups.erase(group);
  } else {
    ready.heads.emplace(group->second.begin()->first, place.avoid);
  }
}

}  // namespace layernas::core
