// The parts of a search. Internal to Search and to its two halves: Leasing hands out, Reporting
// takes back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "controller/core/candidate_book.h"
#include "controller/core/candidate_queue.h"
#include "controller/core/early_stop.h"
#include "controller/core/failure_tally.h"
#include "controller/core/search_config.h"
#include "controller/core/search_phase.h"
#include "controller/core/standings.h"
#include "controller/core/strategy.h"
#include "controller/core/twin_book.h"

namespace layernas::core {

struct BestWithinTarget {
  double target = 0;
  // 0 = no result meets the target.
  std::uint64_t candidate = 0;

  bool operator==(const BestWithinTarget&) const = default;
};

struct SearchParts {
  SearchParts(SearchConfig search_config, std::deque<Candidate> stored);
  SearchParts(const SearchParts&) = delete;
  SearchParts& operator=(const SearchParts&) = delete;

  // Restores the parts from the stored candidates after a restart.
  void Restore(const SearchStatus& status);
  // Part of Restore(): queues an unfinished candidate, and restores which candidate its twins
  // follow.
  void RestorePlace(Candidate& candidate);

  // See Search for this function.
  std::span<const TaskKind> kinds() const;
  const std::map<std::string, std::string>& RequireOf(TaskKind kind) const;
  bool IsMeasuredApart() const { return config.measure_on.has_value(); }
  bool IsUnderWay() const { return candidates.Leased() > 0 || !queue.empty(); }
  // Returns whether the candidate's twins follow it. If not, the next twin takes its place.
  bool IsFollowed(const Candidate& candidate) const {
    if (candidate.state == CandidateState::kSkipped) return IsSpared(candidate);
    return candidate.state != CandidateState::kFailed;
  }
  // Returns the kind of task of this attempt.
  TaskKind KindOf(const Candidate& candidate, int attempt) const;
  // Returns whether the candidate is neither a repeat nor a full training.
  static bool IsFirst(const Candidate& candidate) { return candidate.repeat_of == 0 && candidate.final_of == 0; }
  // Returns the cost of a candidate that was measured, or whose cost is known per layer.
  double CostOf(const Candidate& candidate) const;
  // Returns whether the candidate was measured and is not trained because its cost exceeds every
  // target.
  bool IsSpared(const Candidate& candidate) const;
  // One entry per target of the configuration, in its order.
  std::vector<BestWithinTarget> BestPerTarget() const;
  // Appends the candidate to the queue. It is offered to other workers than `avoid_worker` first.
  void Queue(Candidate& candidate, SteadyTime not_before = {}, std::string avoid_worker = {});
  // Tells standings and median rule the outcome of a candidate in a final state. Returns the
  // observation for the strategy.
  std::optional<Observation> Learn(const Candidate& candidate);

  const SearchConfig config;
  const std::unique_ptr<Strategy> strategy;
  CandidateBook candidates;
  CandidateQueue queue;
  Standings standings;
  MedianRule median_rule;
  FailureTally failures;
  TwinBook twins;
  SearchPhase phase;
  // The current sharing; at first the sharing of the configuration.
  Sharing sharing;
  // The stored or visible data of the search itself has changed.
  bool is_changed = false;
};

}  // namespace layernas::core
