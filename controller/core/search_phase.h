// Where a search stands: searching, repeating the finalists, training the winners in full, over. The one place that
// knows budget, time, repeats and winners, and that says in words why a search ends.
//
// Whatever ends the searching (trainings, time, nothing left to try) makes no difference to what follows: the
// finalists' repeats, then the winners' trainings in full.
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

// What a search hands out next besides candidates that wait in its queue.
struct Next {
  enum class What {
    // Nothing now; an outcome may change that while something is under way.
    kNothing,
    // What the strategy proposes.
    kProposal,
    // A further training of `candidate`.
    kRepeat,
    // The training in full number `seed` of `candidate`.
    kFinal,
  };

  What what = What::kNothing;
  // How many such there are without a further outcome; at least 1 unless kNothing.
  std::size_t count = 0;
  std::uint64_t candidate = 0;
  int seed = 0;
};

// Decides; changes no candidate. Not thread-safe.
class SearchPhase {
 public:
  // All must outlive it.
  SearchPhase(const SearchConfig& config, const CandidateBook& candidates, const Standings& standings,
              const Strategy& strategy, const FailureTally& failures);

  // After a restart, once standings and strategy are restored: what was stored.
  void Restore(const SearchStatus& status);

  // Changes nothing.
  Next next() const;
  // Whether the strategy may be asked for computations.
  bool Proposes() const { return next().what == Next::What::kProposal; }

  // Whether one more first training may begin that the strategy proposed earlier. `others_under_way`: whether the
  // outcome of another is still to come.
  bool MayBegin(bool others_under_way) const { return !time_is_up_ && FirstTrainingsLeft(others_under_way) > 0; }

  // To be called with each candidate that was leased for the first time (its repeat_of, final_of and twin_of set), and
  // with each that was measured and, since its cost exceeds every target, is not trained. A twin is no training; one
  // that takes the place of the candidate that it followed is called with again, its twin_of cleared.
  void Began(const Candidate& candidate);
  void Spared(const Candidate& candidate);

  // A candidate was leased, at this time: from the first on the time counts.
  void Started(UnixMillis now);
  // `clock_set`: by how much the machine's clock was set ahead since the start; that is no time that has passed. True
  // if the time for searching is up: first trainings that are not under way are not begun any more. Repeats and
  // trainings in full have no limit of time. After a restart it is false until the next call.
  bool CheckTime(UnixMillis now, Millis clock_set);
  bool time_is_up() const { return time_is_up_; }

  // To be called after every change: decides whether searching is over, and who has won. True if nothing is left to be
  // handed out and nothing is under way: then the search ends with Ending().
  bool Advance(bool under_way);
  struct End {
    SearchState state = SearchState::kSucceeded;
    std::string reason;
  };
  End Ending() const;

  UnixMillis started() const { return started_; }
  // Why no more architectures are proposed; empty while they are.
  const std::string& searching_over() const { return searching_over_; }
  // Candidates that were trained, or are to be; trainings in full and twins are not among them.
  std::int64_t trainings() const { return begun_ - spared_; }
  // What is trained in full, the first target's best first; empty before that begins.
  const std::vector<std::uint64_t>& winners() const { return winners_; }
  // The number of the first training in full; 0 where none has begun. No other candidates follow it.
  std::uint64_t first_final() const { return first_final_; }

 private:
  // Of the budget; a great number if there is no limit.
  std::int64_t TrainingsLeft() const;
  std::int64_t RepeatsLeft() const;
  // How many proposals the budget allows for now.
  std::int64_t ProposalsLeft() const;
  // The same, also once searching is over: for what was proposed before.
  std::int64_t FirstTrainingsLeft(bool others_under_way) const;
  // Whether the rest of the budget is the finalists'.
  bool IsRestReserved() const;
  // So many were measured and spared that going on is pointless.
  bool MeasuredInVain() const;
  // Empty if searching is not over.
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
