// Tests trainings that are stopped early.
#include "common/base/task_limits.h"
#include "controller/core/search.h"
#include "tests/controller/core/search_fixture.h"

namespace layernas::core {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class EarlyStopTest : public SearchTest {
 protected:
  // Every architecture costs the same.
  static SearchConfig Config() {
    SearchConfig config = SmallConfig();
    for (Layer& layer : config.space.layers) layer.costs = {1, 1, 1};
    config.trainings = 6;
    config.early_stop = {2, 2};
    return config;
  }

  static Curve Rising(float step) {
    Curve curve;
    for (int epoch = 1; epoch <= 5; ++epoch) curve.push_back({epoch, step * static_cast<float>(epoch)});
    return curve;
  }
  // Trains five epochs, or until it is stopped. Returns whether it was stopped.
  bool TrainUntilStopped(Search& search, std::uint64_t number, float step, int last = 5) {
    for (const CurvePoint& point : Rising(step)) {
      if (point.epoch > last) break;
      if (!search.NoteProgress(number, 1, {point}, 5, Now().unix_ms)) return true;
    }
    return false;
  }
  void Finish(Search& search, std::uint64_t number, float step) {
    EXPECT_FALSE(TrainUntilStopped(search, number, step));
    EXPECT_EQ(search.Complete(number, 1, "w1", {Metrics{{"accuracy", 5 * step}}, Rising(step)}, Now()).status,
              kAccepted);
  }
};

TEST_F(EarlyStopTest, AHopelessTrainingIsStopped) {
  Search search(Config(), kStart);
  Finish(search, Lease(search), 0.1f);
  Finish(search, Lease(search), 0.2f);
  search.TakeChanges();
  const std::uint64_t number = Lease(search);
  EXPECT_TRUE(search.NoteProgress(number, 1, {{1, 0.0f}}, 5, Now().unix_ms));
  EXPECT_FALSE(search.NoteProgress(number, 1, {{2, 0.05f}}, 5, Now().unix_ms));
  const Candidate& candidate = *search.candidate(number);
  EXPECT_EQ(candidate.state, CandidateState::kStopped);
  EXPECT_EQ(candidate.ended, Now().unix_ms);
  EXPECT_THAT(candidate.curve, SizeIs(2));
  EXPECT_EQ(candidate.cost, 2);
  // On the line through (0.2, 0.5) and (0.4, 1).
  EXPECT_NEAR(candidate.reward, 0.125, 1e-6);
  EXPECT_THAT(search.TakeChanges().candidates, ::testing::ElementsAre(number));
  // It does not count as a result.
  EXPECT_THAT(search.frontier().points(), SizeIs(1));
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 2u);
  EXPECT_EQ(search.trainings(), 3);
  EXPECT_EQ(search.CountOf(CandidateState::kStopped), 1u);
  // The worker is told, and a result that was on its way comes too late.
  EXPECT_FALSE(search.Renew(number, 1, "w1"));
  const CompletionVerdict late = search.Complete(number, 1, "w1", Metrics{{"accuracy", 0.9}}, Now());
  EXPECT_EQ(late.status, kRefused);
  EXPECT_THAT(late.message, HasSubstr("stopped"));
}

TEST_F(EarlyStopTest, ATrainingThatIsOverIsNotStopped) {
  Search search(Config(), kStart);
  Finish(search, Lease(search), 0.1f);
  Finish(search, Lease(search), 0.2f);
  const std::uint64_t number = Lease(search);
  EXPECT_TRUE(search.NoteProgress(number, 1, {{5, 0.0f}}, 5, Now().unix_ms));
  EXPECT_EQ(Complete(search, number, 1, {{"accuracy", 0.0}}), kAccepted);
  EXPECT_EQ(search.candidate(number)->state, CandidateState::kSucceeded);
}

TEST_F(EarlyStopTest, NewsOfAnotherAttemptOrOfThePastChangesNothing) {
  Search search(Config(), kStart);
  Finish(search, Lease(search), 0.1f);
  Finish(search, Lease(search), 0.2f);
  const std::uint64_t number = Lease(search);
  EXPECT_TRUE(search.NoteProgress(number, 2, {{2, 0.0f}}, 5, Now().unix_ms));
  EXPECT_TRUE(search.NoteProgress(99, 1, {{2, 0.0f}}, 5, Now().unix_ms));
  EXPECT_TRUE(search.NoteProgress(number, 1, {{3, 0.9f}}, 5, Now().unix_ms));
  EXPECT_TRUE(search.NoteProgress(number, 1, {{2, 0.0f}}, 5, Now().unix_ms));
  EXPECT_THAT(search.candidate(number)->curve, SizeIs(1));
  // Another attempt starts again with the first epoch.
  search.Release(number, 1);
  EXPECT_TRUE(search.NoteProgress(number, 1, {{4, 0.0f}}, 5, Now().unix_ms));
  EXPECT_EQ(Lease(search), number);
  EXPECT_TRUE(search.candidate(number)->curve.empty());
  EXPECT_FALSE(search.NoteProgress(number, 2, {{2, 0.0f}}, 5, Now().unix_ms));
}

TEST_F(EarlyStopTest, AWholeCurveTakesThePlaceOfAPart) {
  Search search(Config(), kStart);
  const std::uint64_t number = Lease(search);
  // As after a restart of the controller: the first report is about a late epoch.
  search.NoteProgress(number, 1, {{4, 0.4f}}, 9, Now().unix_ms);
  search.NoteProgress(number, 1, {{1, 0.1f}, {2, 0.2f}, {3, 0.3f}, {4, 0.4f}, {5, 0.5f}}, 9, Now().unix_ms);
  EXPECT_EQ(search.candidate(number)->curve, (Curve{{1, 0.1f}, {2, 0.2f}, {3, 0.3f}, {4, 0.4f}, {5, 0.5f}}));
  // A part of the curve does not.
  search.NoteProgress(number, 1, {{5, 0.9f}, {6, 0.6f}}, 9, Now().unix_ms);
  EXPECT_EQ(search.candidate(number)->curve.size(), 6u);
  EXPECT_EQ(search.candidate(number)->curve[4], (CurvePoint{5, 0.5f}));
}

TEST_F(EarlyStopTest, ACurveIsBounded) {
  Search search(Config(), kStart);
  const std::uint64_t number = Lease(search);
  for (int begin = 1; begin < 3000; begin += 100) {
    Curve points;
    for (int epoch = begin; epoch < begin + 100; ++epoch) points.push_back({epoch, 0.5f});
    EXPECT_TRUE(search.NoteProgress(number, 1, points, 0, Now().unix_ms));
  }
  EXPECT_EQ(search.candidate(number)->curve.size(), kMaxCurvePoints);
}

TEST_F(EarlyStopTest, ARestartComparesWithTheSame) {
  Search search(Config(), kStart);
  Finish(search, Lease(search), 0.1f);
  Finish(search, Lease(search), 0.2f);
  EXPECT_TRUE(TrainUntilStopped(search, Lease(search), 0.01f));
  const std::uint64_t number = Lease(search);
  Search again = Restarted(search);
  EXPECT_EQ(again.CountOf(CandidateState::kStopped), 1u);
  EXPECT_EQ(again.trainings(), 4);
  EXPECT_TRUE(TrainUntilStopped(again, number, 0.02f));
  EXPECT_TRUE(TrainUntilStopped(search, number, 0.02f));
  EXPECT_EQ(*again.candidate(number), *search.candidate(number));
}

TEST_F(EarlyStopTest, RepeatsOfFinalistsAreNotStopped) {
  SearchConfig config = Config();
  config.trainings = 4;
  config.finalists = {3, 2};
  Search search(config, kStart);
  Finish(search, Lease(search), 0.1f);
  Finish(search, Lease(search), 0.2f);
  const std::uint64_t repeat = Lease(search);
  EXPECT_EQ(search.candidate(repeat)->repeat_of, 2u);
  EXPECT_FALSE(TrainUntilStopped(search, repeat, 0.0f));
}

TEST_F(EarlyStopTest, CostsThatAreMeasuredApartAreComparedToo) {
  SearchConfig config = SmallConfig();
  config.trainings = 6;
  config.early_stop = {2, 2};
  config.measure_on.emplace();
  Search search(config, kStart);
  const auto train = [&](double latency) {
    const std::uint64_t number = search.Lease("w1", "", Now(), TaskKind::kMeasure)->number;
    // The progress of a measurement is not that of a training.
    EXPECT_TRUE(search.NoteProgress(number, 1, {{2, 0.0f}}, 5, Now().unix_ms));
    EXPECT_EQ(Complete(search, number, 1, {{"latency_ms", latency}}), kAccepted);
    EXPECT_EQ(search.Lease("w1", "", Now(), TaskKind::kTrain)->number, number);
    return number;
  };
  for (const float step : {0.1f, 0.2f}) {
    const std::uint64_t number = train(3);
    EXPECT_EQ(search.Complete(number, 2, "w1", {Metrics{{"accuracy", 5 * step}}, Rising(step)}, Now()).status,
              kAccepted);
  }
  const std::uint64_t number = train(4);
  EXPECT_FALSE(search.NoteProgress(number, 2, {{2, 0.05f}}, 5, Now().unix_ms));
  EXPECT_EQ(search.candidate(number)->cost, 4);
  EXPECT_EQ(search.state(), SearchState::kRunning);
}

TEST_F(EarlyStopTest, ASearchWhoseLastTrainingIsStoppedEnds) {
  SearchConfig config = Config();
  config.trainings = 3;
  Search search(config, kStart);
  Finish(search, Lease(search), 0.1f);
  Finish(search, Lease(search), 0.2f);
  EXPECT_TRUE(TrainUntilStopped(search, Lease(search), 0.01f));
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
}

}  // namespace
}  // namespace layernas::core
