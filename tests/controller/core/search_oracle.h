// Computes again, from the candidates alone, what a search must know about them. Checks use
// GoogleTest's fatal assertions.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "controller/core/attempts.h"
#include "controller/core/search.h"

namespace layernas::core {

// Returns true if the candidate was measured and must not be trained.
inline bool IsSpared(const SearchConfig& config, const Candidate& candidate) {
  return config.measure_first && candidate.measured_attempt > 0 && candidate.repeat_of == 0 &&
         candidate.final_of == 0 && candidate.cost > *std::max_element(config.targets.begin(), config.targets.end());
}

// Returns, by first candidate, the means of its results and its repeats'.
inline std::map<std::uint64_t, Outcome> Means(const std::deque<Candidate>& candidates) {
  std::map<std::uint64_t, std::vector<std::pair<double, double>>> results;
  for (const Candidate& candidate : candidates) {
    if (candidate.state != CandidateState::kSucceeded || candidate.final_of != 0) continue;
    results[candidate.repeat_of != 0 ? candidate.repeat_of : candidate.number].emplace_back(candidate.reward,
                                                                                            candidate.cost);
  }
  std::map<std::uint64_t, Outcome> means;
  for (const auto& [number, of_one] : results) {
    Outcome& mean = means[number];
    for (const auto& [reward, cost] : of_one) {
      mean.reward += reward;
      mean.cost += cost;
    }
    mean.reward /= static_cast<double>(of_one.size());
    mean.cost /= static_cast<double>(of_one.size());
    // Rounding must not change numbers that are all equal.
    const auto [first_reward, first_cost] = of_one.front();
    const auto all = [&of_one](double value, auto member) {
      return std::all_of(of_one.begin(), of_one.end(), [&](const auto& one) { return one.*member == value; });
    };
    using One = std::pair<double, double>;
    if (all(first_reward, &One::first)) mean.reward = first_reward;
    if (all(first_cost, &One::second)) mean.cost = first_cost;
  }
  return means;
}

// Returns true if no other architecture matches this one at equal or lower cost.
inline bool OnFrontier(std::uint64_t number, const std::map<std::uint64_t, Outcome>& means) {
  const Outcome& one = means.at(number);
  return std::none_of(means.begin(), means.end(), [&](const auto& other) {
    const auto& [other_number, outcome] = other;
    if (outcome.cost > one.cost || outcome.reward < one.reward) return false;
    return outcome.cost < one.cost || outcome.reward > one.reward || other_number < number;
  });
}

// Checks that the state of a candidate follows from its failures.
inline void CheckFailures(const SearchConfig& config, const Candidate& candidate) {
  std::set<int> used;
  std::set<int> crashed;
  std::set<int> lost;
  std::set<std::string> workers;
  bool infeasible = false;
  for (const AttemptFailure& failure : candidate.failures) {
    ASSERT_GE(failure.attempt, 1);
    ASSERT_LE(failure.attempt, candidate.attempt);
    if (failure.kind == FailureKind::kInfeasible) {
      infeasible = true;
    } else {
      ASSERT_TRUE(used.insert(failure.attempt).second) << "an attempt used up twice";
      // Failures of its measurement do not count against its training.
      if (failure.attempt <= candidate.measured_attempt) continue;
      if (failure.kind == FailureKind::kWorkerLost) {
        lost.insert(failure.attempt);
        continue;
      }
      crashed.insert(failure.attempt);
      workers.insert(failure.worker);
    }
  }
  const bool used_up = static_cast<int>(crashed.size()) >= config.attempts;
  ASSERT_EQ(infeasible || (used_up && workers.size() > 1), candidate.state == CandidateState::kInfeasible);
  const bool lost_too_often = static_cast<int>(lost.size()) >= kMaxLostLeases;
  ASSERT_EQ((used_up && workers.size() == 1) || (!used_up && lost_too_often),
            candidate.state == CandidateState::kFailed);
}

// Checks what a search says about its candidates, and the candidates themselves.
inline void CheckSearch(const SearchConfig& config, const Search& search) {
  const auto& candidates = search.candidates();
  if (config.trainings > 0) {
    ASSERT_LE(search.trainings(), config.trainings);
  }

  std::map<CandidateState, std::size_t> counts;
  std::set<std::tuple<Architecture, int, int>> architectures;
  std::map<double, FrontierPoint> frontier;
  std::int64_t repeats = 0;
  std::size_t spared = 0;
  for (const Candidate& candidate : candidates) {
    ++counts[candidate.state];
    if (IsSpared(config, candidate)) {
      ++spared;
      ASSERT_EQ(candidate.state, CandidateState::kSkipped);
    }
    ASSERT_TRUE(architectures.insert({candidate.architecture, candidate.repeat, candidate.final_seed}).second);
    ASSERT_EQ(search.NumberOf(candidate.architecture), candidate.repeat_of != 0  ? candidate.repeat_of
                                                       : candidate.final_of != 0 ? candidate.final_of
                                                                                 : candidate.number);
    ASSERT_EQ(candidate.final_of != 0, candidate.final_seed != 0);
    ASSERT_LE(candidate.final_seed, config.finals.seeds);
    ASSERT_EQ(candidate.final_of != 0, search.first_final() != 0 && candidate.number >= search.first_final());
    ASSERT_EQ(candidate.repeat_of != 0, candidate.repeat != 0);
    ASSERT_LT(candidate.repeat, config.finalists.trainings);
    if (candidate.repeat_of != 0) ++repeats;
    CheckFailures(config, candidate);
    ASSERT_EQ(candidate.state == CandidateState::kSucceeded, candidate.result_attempt > 0);
  }
  ASSERT_LE(repeats, config.finalists.repeats);
  const std::map<std::uint64_t, Outcome> means = Means(candidates);
  for (const auto& [number, mean] : means) {
    if (OnFrontier(number, means)) frontier[mean.cost] = {number, mean.reward};
  }
  for (const CandidateState state :
       {CandidateState::kQueued, CandidateState::kLeased, CandidateState::kSucceeded, CandidateState::kInfeasible,
        CandidateState::kFailed, CandidateState::kSkipped, CandidateState::kStopped}) {
    ASSERT_EQ(search.CountOf(state), counts[state]);
  }
  if (IsFinal(search.state())) {
    ASSERT_EQ(counts[CandidateState::kQueued] + counts[CandidateState::kLeased], 0u);
  }
  // Only a cancelled search, or one whose time is over, leaves work undone.
  if (search.state() == SearchState::kSucceeded && config.duration.count() == 0) {
    ASSERT_EQ(counts[CandidateState::kSkipped], spared);
  }
  if (search.state() == SearchState::kSucceeded && config.finals.per_target > 0) {
    ASSERT_TRUE(search.winners().empty() ||
                candidates.size() + 1 - search.first_final() == search.winners().size() * config.finals.seeds);
  }
  if (search.state() == SearchState::kSucceeded) {
    ASSERT_GT(counts[CandidateState::kSucceeded], 0u);
  }

  const auto& points = search.frontier().points();
  ASSERT_TRUE(std::equal(points.begin(), points.end(), frontier.begin(), frontier.end(), [](auto& a, auto& b) {
    return a.first == b.first && a.second.candidate == b.second.candidate && a.second.reward == b.second.reward;
  }));
}

}  // namespace layernas::core
