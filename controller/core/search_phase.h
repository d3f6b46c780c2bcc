// The phase of a search: searching, repeating the finalists, fully training the winners, over. Only
// this class knows budget, time, repeats and winners, and says in words why a search ends.
//
// Whatever ends the searching (trainings, time, nothing left to try), the same follows: the
// finalists' repeats, then the winners' full trainings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/candidate_book.h"
#include "controller/core/failure_tally.h"
#include "controller/core/search_config.h"
#include "controller/core/search_state.h"
#include "controller/core/standings.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// What a search hands out next, besides the candidates in its queue.
struct Next {
  enum class What {
    // Nothing now. An outcome may change that while candidates are in progress.
    kNothing,
    // The next proposal of the strategy.
    kProposal,
    // Another training of `candidate`.
    kRepeat,
    // The full training number `seed` of `candidate`.
    kFinal,
  };

  What what = What::kNothing;
  // How many of these are available without a further outcome; at least 1 unless kNothing.
  std::size_t count = 0;
  std::uint64_t candidate = 0;
  int seed = 0;
};

// Makes decisions, but changes no candidate. Not thread-safe.
class SearchPhase {
 public:
  // All arguments must outlive this object.
  SearchPhase(const SearchConfig& config, const CandidateBook& candidates, const Standings& standings,
              const Strategy& strategy, const FailureTally& failures);

  // Restores the phase after a restart. Standings and strategy must be restored first.
  void Restore(const SearchStatus& status);

  // Changes nothing.
  Next next() const;
  // Returns whether the strategy may be asked for computations.
  bool Proposes() const { return next().what == Next::What::kProposal; }

  // Returns whether another first training, which the strategy proposed earlier, may start.
  // `others_under_way`: whether the outcome of another is still missing.
  bool MayBegin(bool others_under_way) const { return !time_is_up_ && FirstTrainingsLeft(others_under_way) > 0; }

  // Call Began() with each new candidate, with repeat_of, final_of and twin_of set. A twin does not
  // count as a training. If a twin takes the place of the candidate that it followed, call Began()
  // again with twin_of cleared. Call Spared() with each candidate that was measured and is not
  // trained because its cost exceeds every target.
  void Began(const Candidate& candidate);
  void Spared(const Candidate& candidate);

  // A candidate was leased at this time. The time budget starts with the first lease.
  void Started(UnixMillis now);
  // Returns whether the time for searching is up; then first trainings that have not started are
  // dropped. Repeats and full trainings have no time limit. `clock_set`: how far the machine's
  // clock was set ahead since the start; this does not count as time. After a restart the time is
  // not up until the next call, unless it was the reason why the strategy proposes no more.
  bool CheckTime(UnixMillis now, Millis clock_set);
  bool time_is_up() const { return time_is_up_; }

  // Call it after every change. Decides whether searching is over, and who has won. Returns true if
  // nothing is left to hand out and nothing is in progress: then the search ends with Ending().
  bool Advance(bool under_way);
  struct End {
    SearchState state = SearchState::kSucceeded;
    std::string reason;
  };
  End Ending() const;

  UnixMillis started() const { return started_; }
  // Why the strategy proposes no more architectures; empty while it does.
  const std::string& searching_over() const { return searching_over_; }
  // Candidates that were or will be trained, without full trainings and twins.
  std::int64_t trainings() const { return begun_ - spared_; }
  // The candidates that are fully trained, the first target's best first; empty before that phase.
  const std::vector<std::uint64_t>& winners() const { return winners_; }
  // The number of the first full training; 0 if there is none. Only full trainings have higher
  // numbers.
  std::uint64_t first_final() const { return first_final_; }

 private:
  // Trainings left in the budget; a large number if there is no limit.
  std::int64_t TrainingsLeft() const;
  std::int64_t RepeatsLeft() const;
  // Returns how many proposals the budget allows now.
  std::int64_t ProposalsLeft() const;
  // The same for earlier proposals, even after searching is over.
  std::int64_t FirstTrainingsLeft(bool others_under_way) const;
  // Returns whether the rest of the budget is reserved for the finalists.
  bool IsRestReserved() const;
  // Returns whether so many candidates were measured and skipped that continuing is pointless.
  bool MeasuredInVain() const;
  std::string WhyTimeIsUp() const;
  // Returns why searching is over, or "" if it is not.
  std::string WhyOver(bool under_way) const;
  void ChooseWinners();
  std::int64_t FinalsBegun() const;
  std::int64_t FinalsLeft() const;

  const SearchConfig& config_;
  const CandidateBook& candidates_;
  const Standings& standings_;
  const Strategy& strategy_;
  const FailureTally& failures_;

  UnixMillis started_ = 0;
  bool time_is_up_ = false;
  std::string searching_over_;
  // First trainings and repeats.
  std::int64_t begun_ = 0;
  std::int64_t spared_ = 0;
  // Twins proposed since the latest training.
  std::int64_t twins_in_a_row_ = 0;
  double lowest_spared_cost_ = 0;
  bool winners_known_ = false;
  std::vector<std::uint64_t> winners_;
  std::uint64_t first_final_ = 0;
};

}  // namespace layernas::core
