#include "controller/engine/search_views.h"

#include "tests/controller/engine/state_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SearchViewsTest : public StateTest {
 protected:
  SearchView View(const SearchEntry& entry) { return MakeView(entry, state_.workers); }
  std::string Waiting(const SearchEntry& entry) { return WaitingFor(*entry.search, state_.workers); }
  // Exhaustive: candidate 1 is the architecture 00.
  static core::SearchConfig InOrder() {
    core::SearchConfig config = Config();
    config.strategy = core::ExhaustiveOptions{};
    return config;
  }
};

TEST_F(SearchViewsTest, OfARunningSearch) {
  core::SearchConfig config = InOrder();
  config.trainings = 5;
  config.targets = {1, 3};
  config.sharing.weight = 3;
  SearchEntry& entry = Add(config);
  entry.sequence = 42;
  Complete(entry, Lease(entry), 0.5);
  Complete(entry, Lease(entry), 0.75);
  Lease(entry);
  const SearchView view = View(entry);
  EXPECT_EQ(view.name, "searches/s-1");
  EXPECT_EQ(view.spec, entry.spec);
  EXPECT_EQ(view.sharing.weight, 3);
  EXPECT_EQ(view.state, core::SearchState::kRunning);
  EXPECT_EQ(view.created, kStart);
  EXPECT_EQ(view.ended, 0);
  EXPECT_EQ(view.trainings, 3);
  EXPECT_EQ(view.trainings_budget, 5);
  // Only three architectures meet a target.
  EXPECT_EQ(view.ready, 0u);
  EXPECT_EQ(view.candidates.at(core::CandidateState::kSucceeded), 2u);
  EXPECT_EQ(view.candidates.at(core::CandidateState::kLeased), 1u);
  EXPECT_EQ(view.candidates.at(core::CandidateState::kStopped), 0u);
  EXPECT_THAT(view.candidates, SizeIs(7));
  EXPECT_EQ(view.frontier_size, 2u);
  EXPECT_EQ(view.stage_count, 0);
  EXPECT_EQ(view.layer, "");
  EXPECT_EQ(view.waiting_for, "");
  EXPECT_EQ(view.sequence, 42u);
  // The cheapest costs 2, so nothing meets the first target.
  ASSERT_THAT(view.targets, SizeIs(2));
  EXPECT_EQ(view.targets[0].target, 1);
  EXPECT_FALSE(view.targets[0].best);
  EXPECT_EQ(view.targets[0].nearest.value().candidate, 1u);
  EXPECT_EQ(view.targets[1].best.value().candidate, 2u);
  EXPECT_EQ(view.targets[1].best->standing.reward, 0.75);
  EXPECT_EQ(view.targets[1].best->standing.cost, 3);
  EXPECT_FALSE(view.targets[1].nearest);
}

TEST_F(SearchViewsTest, OfALayerNasSearchNamesTheLayerThatIsDecided) {
  core::SearchConfig config = Config();
  core::LayerNasOptions options;
  options.order = {1, 0};
  config.strategy = options;
  SearchEntry& entry = Add(config);
  // Stage 0 is only the default, which decides no layer.
  EXPECT_EQ(View(entry).stage_count, 2);
  EXPECT_EQ(View(entry).position.stage, 0);
  EXPECT_EQ(View(entry).layer, "");
  Complete(entry, Lease(entry), 0.5);
  EXPECT_EQ(View(entry).position.stage, 1);
  EXPECT_EQ(View(entry).layer, "b");
}

TEST_F(SearchViewsTest, OfASearchThatThisVersionCannotGoOnWith) {
  SearchEntry& entry = Add();
  entry.search = nullptr;
  entry.why_broken = "unknown strategy";
  entry.broken_counts[core::CandidateState::kSucceeded] = 3;
  entry.stored.created = 5;
  const SearchView running = View(entry);
  EXPECT_EQ(running.state, core::SearchState::kFailed);
  EXPECT_EQ(running.state_reason,
            "this version of layernas cannot continue the search: unknown strategy; its data is kept");
  EXPECT_EQ(running.candidates.at(core::CandidateState::kSucceeded), 3u);
  EXPECT_EQ(running.created, 5);
  entry.stored.state = core::SearchState::kSucceeded;
  entry.stored.state_reason = "its budget is used";
  const SearchView ended = View(entry);
  EXPECT_EQ(ended.state, core::SearchState::kSucceeded);
  EXPECT_THAT(ended.state_reason, HasSubstr("; it ended with: its budget is used"));
}

TEST_F(SearchViewsTest, APointHasTheMeansOfItsTrainings) {
  core::SearchConfig config = InOrder();
  config.trainings = 3;
  config.finalists = {3, 2};
  SearchEntry& entry = Add(config);
  core::AttemptResult first;
  first.metrics = {{"loss", 4}, {"params", 10}};
  Complete(entry, Lease(entry), 0.5, first);
  EXPECT_EQ(MakePoint(*entry.search, 1).metrics, (core::Metrics{{"accuracy", 0.5}, {"loss", 4}, {"params", 10}}));
  core::AttemptResult repeat;
  repeat.metrics = {{"loss", 2}};
  Complete(entry, Lease(entry), 1.0, repeat);
  Complete(entry, Lease(entry), 0.0);
  const PointView point = MakePoint(*entry.search, 1);
  EXPECT_EQ(point.candidate, 1u);
  EXPECT_EQ(point.architecture, (core::Architecture{0, 0}));
  EXPECT_EQ(point.standing.trainings, 3);
  EXPECT_EQ(point.standing.reward, 0.5);
  EXPECT_EQ(point.standing.reward_deviation, 0.5);
  // The means of the trainings that reported the metric.
  EXPECT_EQ(point.metrics, (core::Metrics{{"accuracy", 0.5}, {"loss", 3}, {"params", 10}}));
}

TEST_F(SearchViewsTest, ASearchThatIsEndedBeforeItsFinalsHasNoWinners) {
  core::SearchConfig config = InOrder();
  config.trainings = 1;
  config.finals = {1, 3};
  SearchEntry& entry = Add(config);
  const core::Candidate& last = Lease(entry);
  ASSERT_TRUE(entry.search->Pause().ok());
  Complete(entry, last, 0.5);
  EXPECT_THAT(View(entry).winners, SizeIs(1));
  ASSERT_TRUE(entry.search->Cancel(state_.now.unix_ms).ok());
  EXPECT_THAT(View(entry).winners, IsEmpty()) << "a restart would not know of them";
}

TEST_F(SearchViewsTest, AWinnerHasTheMeansOfItsTrainingsInFull) {
  core::SearchConfig config = InOrder();
  config.trainings = 1;
  config.finals = {1, 3};
  SearchEntry& entry = Add(config);
  Complete(entry, Lease(entry), 0.5);
  EXPECT_THAT(View(entry).winners, SizeIs(1));
  const auto kept = [](const std::string& path) {
    core::AttemptResult result;
    result.weights = {{path, std::string(64, 'a'), 1}};
    return result;
  };
  Complete(entry, Lease(entry, "v"), 0.25, kept("/low"));
  const core::Candidate& failed = Lease(entry);
  entry.search->Fail(failed.number, 1, "w", core::FailureKind::kInfeasible, "why", state_.now);
  Complete(entry, Lease(entry, "u"), 0.75, kept("/high"));
  const SearchView view = View(entry);
  ASSERT_THAT(view.winners, SizeIs(1));
  const WinnerView& winner = view.winners[0];
  EXPECT_EQ(winner.candidate, 1u);
  EXPECT_EQ(winner.trainings, 3);
  EXPECT_EQ(winner.succeeded, 2);
  EXPECT_EQ(winner.reward, 0.5);
  EXPECT_NEAR(winner.reward_deviation, 0.35355, 1e-4);
  EXPECT_EQ(winner.cost, 2);
  EXPECT_THAT(winner.finals, ElementsAre(2, 3, 4));
  // The highest reward first, with the worker that has it.
  ASSERT_THAT(winner.weights, SizeIs(2));
  EXPECT_EQ(winner.weights[0].first.path, "/high");
  EXPECT_EQ(winner.weights[0].second, "u");
  EXPECT_EQ(winner.weights[1].second, "v");
}

TEST_F(SearchViewsTest, SaysWhatASearchWaitsFor) {
  SearchEntry& any = Add();
  core::SearchConfig config = Config();
  config.require = {{"device", "gpu"}, {"memory", ">=16"}};
  SearchEntry& gpu = Add(config);
  EXPECT_EQ(Waiting(any), "a worker: none is connected; start one with layernas-worker");
  EXPECT_EQ(Waiting(gpu),
            "a worker labelled device=gpu, memory>=16: none is connected; start one with layernas-worker --label …");
  Hear("a");
  Hear("b", {{"device", "gpu"}});
  EXPECT_EQ(Waiting(any), "");
  EXPECT_EQ(Waiting(gpu),
            "a worker labelled device=gpu, memory>=16: none of the 2 connected workers matches: b (device=gpu; lacks "
            "memory>=16), a "
            "(no labels)");
  for (int i = 0; i < 5; ++i) Hear("c" + std::to_string(i));
  EXPECT_THAT(Waiting(gpu), HasSubstr("none of the 7 connected workers matches: b (device=gpu"));
  EXPECT_THAT(Waiting(gpu), ::testing::EndsWith(", …"));
  Hear("d", {{"device", "gpu"}, {"memory", "32"}});
  EXPECT_EQ(Waiting(gpu), "");
  for (int i = 0; i < 3; ++i) state_.workers.Failed("d", core::TaskKind::kEvaluate, {}, "why", state_.now.steady);
  EXPECT_EQ(Waiting(gpu), "a worker: all matching workers are shunned for now because their attempts kept failing");
  // Those that are away are not connected.
  state_.workers.NoteAway(state_.now.steady + Millis{1}, state_.now.steady, [](const std::string&) { return false; });
  EXPECT_EQ(Waiting(any), "a worker: none is connected; start one with layernas-worker");
  // A task is running.
  Lease(gpu);
  EXPECT_EQ(Waiting(gpu), "");
}

TEST_F(SearchViewsTest, ASearchWithNothingToHandOutWaitsForNobody) {
  SearchEntry& entry = Add();
  ASSERT_TRUE(entry.search->Pause().ok());
  EXPECT_EQ(Waiting(entry), "");
}

TEST_F(SearchViewsTest, BucketsNameTheCandidates) {
  core::SearchConfig config = Config();
  core::LayerNasOptions options;
  options.order = {0, 1};
  options.buckets.count = 3;
  config.strategy = options;
  SearchEntry& entry = Add(config);
  while (!core::IsFinal(entry.search->state())) {
    const core::Candidate& candidate = Lease(entry);
    Complete(entry, candidate, static_cast<double>(candidate.number));
  }
  ASSERT_FALSE(entry.search->final_tables().empty());
  const core::StageTable& table = entry.search->final_tables().back();
  const std::vector<BucketView> buckets = MakeBuckets(*entry.search, table);
  ASSERT_THAT(buckets, ::testing::Not(IsEmpty()));
  for (const BucketView& bucket : buckets) {
    EXPECT_EQ(bucket.position, table.position);
    EXPECT_LE(bucket.lower, bucket.upper);
    ASSERT_FALSE(bucket.entries.empty());
    for (const BucketView::Entry& one : bucket.entries) {
      const core::Candidate& candidate = *entry.search->candidate(one.candidate);
      EXPECT_EQ(candidate.architecture, one.evaluated.architecture);
      EXPECT_EQ(candidate.reward, one.evaluated.reward);
    }
  }
}

}  // namespace
}  // namespace layernas
