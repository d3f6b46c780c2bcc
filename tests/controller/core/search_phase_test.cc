#include "controller/core/search_phase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using What = Next::What;

// A strategy whose answers the test decides.
class SaidStrategy final : public Strategy {
 public:
  void Restore(std::span<const PastProposal>) override {}
  Supply supply() const override { return said; }
  std::optional<Proposal> Propose() override { return std::nullopt; }
  void Observe(const Architecture&, const Observation&) override {}

  Supply said{Supply::When::kNow, 100, ""};
};

class SearchPhaseTest : public ::testing::Test {
 protected:
  SearchPhaseTest() {
    config_.space.layers = {{"a", 300, 0, {}}};
    config_.reward_metric = "accuracy";
    config_.cost_metric = "latency_ms";
  }

  // Starts with the configuration, after the test has set it.
  void Start() {
    book_.emplace(1, config_.measure_on.has_value());
    standings_.emplace(config_.finalists, config_.targets);
    phase_.emplace(config_, *book_, *standings_, strategy_, failures_);
  }
  // Restores the state from stored data, as a restart does.
  void Restart(const std::string& searching_over) {
    phase_.emplace(config_, *book_, *standings_, strategy_, failures_);
    for (const Candidate& one : book_->all()) phase_->Began(one);
    SearchStatus status;
    status.started = 1'000;
    status.searching_over = searching_over;
    phase_->Restore(status);
  }

  Candidate& Begin() {
    Candidate& begun = book_->Create({static_cast<OptionIndex>(book_->size())}, {}, 1);
    phase_->Began(begun);
    book_->SetState(begun, CandidateState::kLeased);
    return begun;
  }
  void Succeed(Candidate& candidate, double reward, double cost = 1) {
    book_->SetState(candidate, CandidateState::kSucceeded);
    if (candidate.repeat_of != 0) {
      standings_->EndRepeat(candidate.repeat_of, candidate.number, Outcome{reward, cost});
    } else if (candidate.final_of == 0) {
      standings_->Add(candidate.number, {reward, cost});
    }
  }
  // Begins what next() returns, which must be a repeat or a full training.
  Candidate& BeginNext() {
    const Next next = phase_->next();
    Candidate& begun = book_->Create((*book_)[next.candidate].architecture, {}, 1);
    if (next.what == What::kRepeat) {
      begun.repeat_of = next.candidate;
      begun.repeat = standings_->RepeatsOf(next.candidate) + 1;
      standings_->BeginRepeat(next.candidate);
    } else {
      EXPECT_EQ(next.what, What::kFinal);
      begun.final_of = next.candidate;
      begun.final_seed = next.seed;
    }
    phase_->Began(begun);
    book_->SetState(begun, CandidateState::kLeased);
    return begun;
  }
  void Train(int count, double first_reward = 0) {
    for (int i = 0; i < count; ++i) Succeed(Begin(), first_reward + i);
  }
  void ExpectNext(What what, std::size_t count, std::uint64_t candidate = 0, int seed = 0) const {
    const Next next = phase_->next();
    EXPECT_EQ(next.what, what);
    EXPECT_EQ(next.count, count);
    EXPECT_EQ(next.candidate, candidate);
    EXPECT_EQ(next.seed, seed);
    EXPECT_EQ(phase_->Proposes(), what == What::kProposal);
  }

  SearchConfig config_;
  SaidStrategy strategy_;
  FailureTally failures_;
  std::optional<CandidateBook> book_;
  std::optional<Standings> standings_;
  std::optional<SearchPhase> phase_;
};

TEST_F(SearchPhaseTest, ProposesWhatTheBudgetAllowsFor) {
  config_.trainings = 3;
  Start();
  ExpectNext(What::kProposal, 3);
  Train(2);
  ExpectNext(What::kProposal, 1);
  EXPECT_FALSE(phase_->Advance(false));
  EXPECT_EQ(phase_->searching_over(), "");
  Candidate& last = Begin();
  EXPECT_EQ(phase_->trainings(), 3);
  ExpectNext(What::kNothing, 0);
  // The search for candidates is over, but not the whole search.
  EXPECT_FALSE(phase_->Advance(true));
  EXPECT_EQ(phase_->searching_over(), "its budget of 3 trainings is used");
  Succeed(last, 1);
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->Ending().state, SearchState::kSucceeded);
  EXPECT_EQ(phase_->Ending().reason, "its budget of 3 trainings is used");
}

TEST_F(SearchPhaseTest, ProposesWhatTheStrategyHas) {
  Start();
  ExpectNext(What::kProposal, 100);
  strategy_.said = {Supply::When::kAfterWork, 7, ""};
  ExpectNext(What::kProposal, 7);
  strategy_.said = {Supply::When::kAfterOutcome, 0, ""};
  ExpectNext(What::kNothing, 0);
  EXPECT_FALSE(phase_->Advance(true));
  EXPECT_EQ(phase_->searching_over(), "");
}

TEST_F(SearchPhaseTest, EndsWhenNothingIsLeftToTry) {
  config_.trainings = 5;
  Start();
  Candidate& one = Begin();
  strategy_.said = {Supply::When::kNever, 0, "all is tried"};
  EXPECT_FALSE(phase_->Advance(true));
  EXPECT_EQ(phase_->searching_over(), "nothing is left to try: all is tried");
  Succeed(one, 1);
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->Ending().state, SearchState::kSucceeded);
}

TEST_F(SearchPhaseTest, WithoutABudgetTheReasonNamesNone) {
  Start();
  strategy_.said = {Supply::When::kNever, 0, "all is tried"};
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->searching_over(), "nothing is left to try: all is tried");
  EXPECT_EQ(phase_->Ending().state, SearchState::kFailed);
  EXPECT_EQ(phase_->Ending().reason, "nothing was evaluated: nothing is left to try: all is tried");
}

TEST_F(SearchPhaseTest, WithoutASuccessTheSearchFailsWithTheCommonestReason) {
  config_.trainings = 1;
  Start();
  book_->SetState(Begin(), CandidateState::kFailed);
  failures_.Add({1, FailureKind::kEvaluator, "w", "out of memory", 1}, TaskKind::kEvaluate);
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->Ending().state, SearchState::kFailed);
  EXPECT_EQ(phase_->Ending().reason,
            "no evaluation has succeeded; the most common failure (1 time): out of memory; its budget of 1 training is "
            "used");
}

TEST_F(SearchPhaseTest, AStrategyThatWaitsForNothingEndsTheSearch) {
  Start();
  Train(1);
  strategy_.said = {Supply::When::kAfterOutcome, 0, ""};
  EXPECT_FALSE(phase_->Advance(true));
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->searching_over(), "the strategy proposes nothing more, which is a bug in layernas");
}

TEST_F(SearchPhaseTest, TimeCountsFromTheFirstLease) {
  config_.duration = Millis{1500};
  Start();
  EXPECT_FALSE(phase_->CheckTime(1'000'000, Millis{0}));
  phase_->Started(1'000'000);
  phase_->Started(1'000'900);
  EXPECT_EQ(phase_->started(), 1'000'000);
  EXPECT_FALSE(phase_->CheckTime(1'001'499, Millis{0}));
  // The clock was set; that does not count as elapsed time.
  EXPECT_FALSE(phase_->CheckTime(1'001'700, Millis{201}));
  Train(1);
  EXPECT_FALSE(phase_->time_is_up());
  EXPECT_TRUE(phase_->CheckTime(1'001'700, Millis{200}));
  EXPECT_TRUE(phase_->time_is_up());
  // It stays over.
  EXPECT_TRUE(phase_->CheckTime(1'000'000, Millis{0}));
  EXPECT_FALSE(phase_->Advance(true));
  EXPECT_EQ(phase_->searching_over(), "its time of 1.5 s is up");
  ExpectNext(What::kNothing, 0);
  EXPECT_TRUE(phase_->Advance(false));
}

TEST_F(SearchPhaseTest, WithoutALimitOfTimeItIsNeverUp) {
  Start();
  phase_->Started(1);
  EXPECT_FALSE(phase_->CheckTime(std::numeric_limits<UnixMillis>::max() / 2, Millis{0}));
}

TEST_F(SearchPhaseTest, TheRestOfTheBudgetIsReservedForRepeats) {
  config_.trainings = 6;
  config_.finalists = {2, 2};
  config_.targets = {1};
  Start();
  ExpectNext(What::kProposal, 4);
  Train(3);
  ExpectNext(What::kProposal, 1);
  Candidate& fourth = Begin();
  // The best known candidate.
  ExpectNext(What::kRepeat, 2, 3);
  Succeed(fourth, 10);
  ExpectNext(What::kRepeat, 2, 4);
  Candidate& repeat = BeginNext();
  Succeed(repeat, 10);
  EXPECT_EQ(standings_->NextRepeat(), std::nullopt);
  // It is settled, and the only remaining training could not be repeated.
  ExpectNext(What::kNothing, 0);
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->searching_over(), "its finalists are settled");
  EXPECT_EQ(phase_->Ending().state, SearchState::kSucceeded);
}

TEST_F(SearchPhaseTest, WhatTheFinalistsLeaveIsProposedIfItCouldBeRepeated) {
  config_.trainings = 9;
  config_.finalists = {2, 4};
  config_.targets = {1};
  Start();
  Train(5);
  Succeed(BeginNext(), 100);
  // Three trainings are left, and nothing is better. Two further architectures could have a repeat
  // each, except for the last one.
  ExpectNext(What::kProposal, 2);
}

TEST_F(SearchPhaseTest, WithoutAnyResultTheReserveIsUsedOneByOne) {
  config_.trainings = 3;
  config_.finalists = {2, 2};
  Start();
  Candidate& first = Begin();
  ExpectNext(What::kNothing, 0);
  EXPECT_FALSE(phase_->Advance(true));
  book_->SetState(first, CandidateState::kInfeasible);
  EXPECT_FALSE(phase_->Advance(false));
  ExpectNext(What::kProposal, 1);
}

TEST_F(SearchPhaseTest, RepeatsFollowWhateverEndsTheSearching) {
  for (const bool by_time : {true, false}) {
    config_ = {};
    config_.finalists = {3, 10};
    config_.targets = {1};
    config_.duration = Millis{by_time ? 1000 : 0};
    Start();
    strategy_.said = {Supply::When::kNow, 100, ""};
    Train(2);
    phase_->Started(1);
    ExpectNext(What::kProposal, 100);
    if (by_time) {
      EXPECT_TRUE(phase_->CheckTime(1'001, Millis{0}));
    } else {
      strategy_.said = {Supply::When::kNever, 0, "why"};
    }
    EXPECT_FALSE(phase_->Advance(false));
    EXPECT_EQ(phase_->searching_over(), by_time ? "its time of 1 s is up" : "nothing is left to try: why");
    ExpectNext(What::kRepeat, 10, 2);
    Succeed(BeginNext(), 1);
    EXPECT_FALSE(phase_->Advance(false));
    ExpectNext(What::kRepeat, 9, 2);
    Succeed(BeginNext(), 1);
    EXPECT_EQ(phase_->trainings(), 4);
    EXPECT_TRUE(phase_->Advance(false));
  }
}

TEST_F(SearchPhaseTest, WinnersAreTrainedInFullOneSeedAfterTheOther) {
  config_.targets = {1, 5};
  config_.trainings = 3;
  config_.finals = {1, 2};
  Start();
  Succeed(Begin(), 5, 1);
  Succeed(Begin(), 9, 4);
  Succeed(Begin(), 7, 1);
  ExpectNext(What::kNothing, 0);
  EXPECT_THAT(phase_->winners(), IsEmpty());
  EXPECT_FALSE(phase_->Advance(false));
  EXPECT_THAT(phase_->winners(), ElementsAre(3, 2));
  EXPECT_EQ(phase_->first_final(), 0u);
  ExpectNext(What::kFinal, 4, 3, 1);
  std::vector<std::pair<std::uint64_t, int>> finals;
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(phase_->Advance(false));
    Candidate& begun = BeginNext();
    finals.emplace_back(begun.final_of, begun.final_seed);
    EXPECT_FALSE(phase_->Advance(true));
    Succeed(begun, 1);
  }
  EXPECT_THAT(finals, ElementsAre(std::pair(3, 1), std::pair(2, 1), std::pair(3, 2), std::pair(2, 2)));
  EXPECT_EQ(phase_->first_final(), 4u);
  // They do not count towards the budget.
  EXPECT_EQ(phase_->trainings(), 3);
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->Ending().reason, "its budget of 3 trainings is used");
}

TEST_F(SearchPhaseTest, WithoutTargetsTheBestOfAllWin) {
  config_.trainings = 3;
  config_.finals = {2, 1};
  Start();
  Succeed(Begin(), 5, 1);
  Succeed(Begin(), 9, 4000);
  Succeed(Begin(), 7, 1);
  EXPECT_FALSE(phase_->Advance(false));
  EXPECT_THAT(phase_->winners(), ElementsAre(2, 3));
}

TEST_F(SearchPhaseTest, NobodyWinsWhereNothingMeetsATarget) {
  config_.targets = {1};
  config_.trainings = 1;
  config_.finals = {1, 1};
  Start();
  Succeed(Begin(), 5, 2);
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_THAT(phase_->winners(), IsEmpty());
  EXPECT_EQ(phase_->Ending().state, SearchState::kSucceeded);
}

TEST_F(SearchPhaseTest, WhatIsSparedIsNoTraining) {
  config_.trainings = 2;
  config_.measure_first = true;
  config_.targets = {1};
  Start();
  for (int i = 0; i < 139; ++i) {
    Candidate& one = Begin();
    one.cost = 100 - i * 0.5;
    book_->SetState(one, CandidateState::kSkipped);
    phase_->Spared(one);
  }
  EXPECT_EQ(phase_->trainings(), 0);
  EXPECT_FALSE(phase_->Advance(false));
  ExpectNext(What::kProposal, 2);
  Candidate& one = Begin();
  one.cost = 200;
  book_->SetState(one, CandidateState::kSkipped);
  phase_->Spared(one);
  EXPECT_TRUE(phase_->Advance(false));
  EXPECT_EQ(phase_->searching_over(), "140 architectures that were measured exceed every target");
  EXPECT_EQ(phase_->Ending().state, SearchState::kFailed);
  EXPECT_EQ(phase_->Ending().reason,
            "none of the 140 architectures that were measured is within a target: the lowest cost is 31; 140 "
            "architectures that were measured exceed every target; 2 of 2 trainings unused");
}

TEST_F(SearchPhaseTest, GoesOnAfterARestartWhileItSearches) {
  config_.trainings = 4;
  config_.duration = Millis{500};
  Start();
  Train(2);
  Restart("");
  EXPECT_EQ(phase_->started(), 1'000);
  EXPECT_EQ(phase_->trainings(), 2);
  ExpectNext(What::kProposal, 2);
  EXPECT_FALSE(phase_->time_is_up());
  EXPECT_TRUE(phase_->CheckTime(1'500, Millis{0}));
}

TEST_F(SearchPhaseTest, GoesOnAfterARestartWithTheRepeats) {
  config_.finalists = {3, 10};
  config_.targets = {1};
  Start();
  Train(2);
  strategy_.said = {Supply::When::kNever, 0, "why"};
  EXPECT_FALSE(phase_->Advance(false));
  Succeed(BeginNext(), 1);
  // The strategy may have another opinion by now.
  strategy_.said = {Supply::When::kNow, 100, ""};
  Restart("it was over");
  EXPECT_EQ(phase_->searching_over(), "it was over");
  EXPECT_EQ(phase_->trainings(), 3);
  ExpectNext(What::kRepeat, 9, 2);
}

TEST_F(SearchPhaseTest, GoesOnAfterARestartWithTheTrainingsInFull) {
  config_.trainings = 3;
  config_.finals = {1, 2};
  Start();
  Train(3);
  EXPECT_FALSE(phase_->Advance(false));
  Succeed(BeginNext(), 1);
  // An earlier version did not store why searching was over.
  Restart("");
  EXPECT_EQ(phase_->searching_over(), "its budget of 3 trainings is used");
  EXPECT_THAT(phase_->winners(), ElementsAre(3));
  EXPECT_EQ(phase_->first_final(), 4u);
  EXPECT_EQ(phase_->trainings(), 3);
  ExpectNext(What::kFinal, 1, 3, 2);
  Succeed(BeginNext(), 1);
  EXPECT_TRUE(phase_->Advance(false));
}

}  // namespace
}  // namespace layernas::core
