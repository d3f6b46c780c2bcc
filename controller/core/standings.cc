#include "controller/core/standings.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "common/base/cost_limit.h"
#include "controller/core/statistics.h"

namespace layernas::core {

Standings::Standings(FinalistOptions options, std::vector<double> targets)
    : options_(options), targets_(std::move(targets)) {}

std::vector<double> Standings::RewardsOf(const Repeats& repeats) {
  std::vector<double> rewards;
  for (const auto& [number, one] : repeats.outcomes) rewards.push_back(one.reward);
  return rewards;
}

std::vector<double> Standings::CostsOf(const Repeats& repeats) {
  std::vector<double> costs;
  for (const auto& [number, one] : repeats.outcomes) costs.push_back(one.cost);
  return costs;
}

void Standings::Add(std::uint64_t candidate, Outcome outcome, std::uint64_t twin_of) {
  if (twin_of != 0) {
    first_of_[candidate] = twin_of;
    twins_of_[twin_of].push_back(candidate);
    const Outcome& mean = *means_[twin_of - 1];
    const auto repeats = repeats_.find(twin_of);
    const double first_cost = repeats == repeats_.end() ? mean.cost : repeats->second.outcomes.at(twin_of).cost;
    outcome = {mean.reward, outcome.cost == first_cost ? mean.cost : outcome.cost};
  }
  if (means_.size() < candidate) means_.resize(candidate);
  means_[candidate - 1] = outcome;
  next_.reset();
  frontier_.Insert(outcome.cost, {candidate, outcome.reward});
}

void Standings::BeginRepeat(std::uint64_t candidate) {
  Repeats& repeats = repeats_[candidate];
  if (repeats.begun == 0) repeats.outcomes.emplace(candidate, *means_[candidate - 1]);
  ++repeats.begun;
  ++repeats_begun_;
  next_.reset();
}

void Standings::EndRepeat(std::uint64_t candidate, std::uint64_t repeat, std::optional<Outcome> outcome) {
  Repeats& repeats = repeats_[candidate];
  ++repeats.ended;
  next_.reset();
  if (!outcome) return;
  repeats.outcomes.emplace(repeat, *outcome);
  // The values must not be in the order of arrival, because the sum would depend on it.
  const Outcome mean{Mean(RewardsOf(repeats)), Mean(CostsOf(repeats))};
  const double cost_before = std::exchange(means_[candidate - 1], mean)->cost;
  if (const auto twins = twins_of_.find(candidate); twins != twins_of_.end()) {
    for (const std::uint64_t twin : twins->second) {
      Outcome& of_twin = *means_[twin - 1];
      of_twin.reward = mean.reward;
      // A measured cost is measured again with each repeat, so twins share its mean. A cost that is
      // known per layer stays.
      if (of_twin.cost == cost_before) of_twin.cost = mean.cost;
    }
  }
  // Results that it dominated may now be on the frontier. Repeats are rare, so the whole frontier
  // is rebuilt.
  frontier_ = {};
  for (std::size_t i = 0; i < means_.size(); ++i) {
    if (means_[i]) frontier_.Insert(means_[i]->cost, {i + 1, means_[i]->reward});
  }
}

std::uint64_t Standings::FirstOf(std::uint64_t candidate) const {
  const auto first = first_of_.find(candidate);
  return first == first_of_.end() ? candidate : first->second;
}

std::optional<std::uint64_t> Standings::NextRepeat() const {
  if (!next_) next_ = FindNext();
  return *next_;
}

std::optional<std::uint64_t> Standings::FindNext() const {
  if (options_.trainings <= 1 || repeats_begun_ >= options_.repeats) return std::nullopt;
  if (targets_.empty()) return NextOnFrontier();
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const double target = targets_[(static_cast<std::size_t>(repeats_begun_) + i) % targets_.size()];
    if (const auto next = NextWithin(target)) return next;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Standings::NextWithin(double target) const {
  // Repeat the best candidate that can be repeated, unless a candidate that had all its trainings
  // is at least as good. Candidates whose last repeats are in progress count as neither: their
  // results may lower them.
  std::optional<std::uint64_t> open;
  std::optional<std::uint64_t> settled;
  const auto reward = [this](std::uint64_t candidate) { return means_[candidate - 1]->reward; };
  for (std::size_t i = 0; i < means_.size(); ++i) {
    if (!means_[i] || !MeetsLimit(means_[i]->cost, target)) continue;
    const std::uint64_t candidate = FirstOf(i + 1);
    const auto repeats = repeats_.find(candidate);
    const int begun = repeats == repeats_.end() ? 0 : repeats->second.begun;
    if (begun + 1 < options_.trainings) {
      if (!open || reward(candidate) > reward(*open)) open = candidate;
    } else if (repeats->second.ended == begun) {
      if (!settled || reward(candidate) > reward(*settled)) settled = candidate;
    }
  }
  if (open && settled && reward(*settled) >= reward(*open)) return std::nullopt;
  return open;
}

std::optional<std::uint64_t> Standings::NextOnFrontier() const {
  // The point with the fewest repeats; of several, the best.
  std::optional<std::uint64_t> next;
  for (const auto& [cost, point] : frontier_.points()) {
    const std::uint64_t candidate = FirstOf(point.candidate);
    const int begun = RepeatsOf(candidate);
    if (begun + 1 < options_.trainings && (!next || begun <= RepeatsOf(*next))) next = candidate;
  }
  return next;
}

int Standings::RepeatsOf(std::uint64_t candidate) const {
  const auto repeats = repeats_.find(FirstOf(candidate));
  return repeats == repeats_.end() ? 0 : repeats->second.begun;
}

std::vector<std::uint64_t> Standings::RepeatsWithResult(std::uint64_t candidate) const {
  std::vector<std::uint64_t> numbers;
  const std::uint64_t first = FirstOf(candidate);
  const auto repeats = repeats_.find(first);
  if (repeats == repeats_.end()) return numbers;
  for (const auto& [number, outcome] : repeats->second.outcomes) {
    if (number != first) numbers.push_back(number);
  }
  return numbers;
}

std::vector<std::uint64_t> Standings::BestWithin(double target, std::size_t count) const {
  std::vector<std::tuple<double, double, std::uint64_t>> within;
  for (std::size_t i = 0; i < means_.size(); ++i) {
    if (means_[i] && MeetsLimit(means_[i]->cost, target))
      within.emplace_back(-means_[i]->reward, means_[i]->cost, i + 1);
  }
  std::sort(within.begin(), within.end());
  std::vector<std::uint64_t> best;
  std::set<std::uint64_t> networks;
  for (const auto& [reward, cost, candidate] : within) {
    if (best.size() == count) break;
    if (networks.insert(FirstOf(candidate)).second) best.push_back(candidate);
  }
  return best;
}

std::optional<Standing> Standings::Of(std::uint64_t candidate) const {
  if (candidate == 0 || candidate > means_.size() || !means_[candidate - 1]) return std::nullopt;
  Standing standing{means_[candidate - 1]->reward, means_[candidate - 1]->cost, 1, 0};
  const auto repeats = repeats_.find(FirstOf(candidate));
  if (repeats == repeats_.end()) return standing;
  standing.trainings = static_cast<int>(repeats->second.outcomes.size());
  if (standing.trainings < 2) return standing;
  standing.reward_deviation = Deviation(RewardsOf(repeats->second));
  return standing;
}

}  // namespace layernas::core
