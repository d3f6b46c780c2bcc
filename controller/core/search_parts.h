// What a search consists of. Internal to Search and to the two halves of its work: Leasing hands out, Reporting takes
// back.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

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

struct SearchParts {
  SearchParts(SearchConfig search_config, std::deque<Candidate> stored);
  SearchParts(const SearchParts&) = delete;
  SearchParts& operator=(const SearchParts&) = delete;

  // After a restart: everybody learns what the stored candidates brought.
  void Restore(const SearchStatus& status);
  // A part of it: where a candidate that is not in a final state waits, and whom its twins follow.
  void RestorePlace(Candidate& candidate);

  // As Search's.
  std::span<const TaskKind> kinds() const;
  const std::map<std::string, std::string>& RequireOf(TaskKind kind) const;
  bool IsMeasuredApart() const { return config.measure_on.has_value(); }
  bool IsUnderWay() const { return candidates.Leased() > 0 || !queue.empty(); }
  // Whether twins of the candidate follow it; if not, the next of them takes its place.
  bool IsFollowed(const Candidate& candidate) const {
    if (candidate.state == CandidateState::kSkipped) return IsSpared(candidate);
    return candidate.state != CandidateState::kFailed;
  }
  // Of the task that this attempt was at.
  TaskKind KindOf(const Candidate& candidate, int attempt) const;
  // Neither a repeat nor a training in full.
  static bool IsFirst(const Candidate& candidate) { return candidate.repeat_of == 0 && candidate.final_of == 0; }
  // Of a candidate that was measured, or whose cost is known per layer.
  double CostOf(const Candidate& candidate) const;
  // Whether it was measured and is not trained, since its cost exceeds every target.
  bool IsSpared(const Candidate& candidate) const;
  // To the end of the queue. `avoid_worker`: offered to others first.
  void Queue(Candidate& candidate, SteadyTime not_before = {}, std::string avoid_worker = {});
  // Standings and median rule learn what the candidate, in a final state, brought. Returns what the strategy is to
  // learn.
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
  // As it is now; at first that of the configuration.
  Sharing sharing;
  // What is stored or shown of the search itself has changed.
  bool is_changed = false;
};

}  // namespace layernas::core
