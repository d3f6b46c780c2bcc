#include "controller/engine/dispatcher.h"

#include "tests/controller/engine/state_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Keeps the work that it gets until the test runs it.
class HeldExecutor final : public Executor {
 public:
  void Post(std::function<void()> work) override { held.push_back(std::move(work)); }

  std::vector<std::function<void()>> held;
};

class DispatcherTest : public StateTest {
 protected:
  PollId Park(const std::string& worker, int max_tasks = 1, const std::map<std::string, std::string>& labels = {}) {
    Poll poll;
    poll.id = ++polls_;
    poll.request = {Hear(worker, labels), max_tasks, "r" + std::to_string(poll.id), state_.now.steady + Millis{60'000}};
    poll.reply = [this, worker](const absl::StatusOr<std::vector<LeasedTask>>& tasks) {
      ASSERT_TRUE(tasks.ok());
      answered_.push_back(worker);
      answers_.push_back(*tasks);
    };
    state_.polls.Park(std::move(poll));
    return polls_;
  }
  // Runs a turn and its answers. Returns the answered workers, in order.
  std::vector<std::string> Run() {
    dispatcher_.Run();
    for (const auto& answer : std::exchange(state_.answers, {})) answer();
    return std::exchange(answered_, {});
  }
  // Returns the searches and candidates in the answers of the last turns.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> Tasks() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> tasks;
    for (const auto& answer : std::exchange(answers_, {})) {
      for (const LeasedTask& task : answer) tasks.emplace_back(task.token.search, task.token.number);
    }
    return tasks;
  }

  // Adds a search whose initial design is used up: from now on, proposals are computed.
  SearchEntry& AddGuided() {
    core::SearchConfig config = Config();
    config.space.layers.resize(8, config.space.layers[0]);
    config.strategy = core::GuidedOptions{};
    config.trainings = 100;
    config.require = {{"device", "gpu"}};
    SearchEntry& entry = Add(config);
    while (const core::Candidate* candidate = entry.search->Lease("w", "r", state_.now)) {
      Complete(entry, *candidate, static_cast<double>(candidate->number % 7));
    }
    return entry;
  }

  HeldExecutor solver_;
  std::vector<std::function<void()>> submitted_;
  Dispatcher dispatcher_{state_, solver_,
                         [this](std::function<void()> command) { submitted_.push_back(std::move(command)); }};
  PollId polls_ = 0;
  std::vector<std::string> answered_;
  std::vector<std::vector<LeasedTask>> answers_;
};

TEST_F(DispatcherTest, ServesTheOldestPollFirst) {
  core::SearchConfig config = Config();
  config.trainings = 4;
  SearchEntry& entry = Add(config);
  Park("b");
  Park("a", 2);
  Park("c", 2);
  Park("d");
  EXPECT_THAT(Run(), ElementsAre("b", "a", "c"));
  EXPECT_THAT(Tasks(), ElementsAre(std::pair(1, 1), std::pair(1, 2), std::pair(1, 3), std::pair(1, 4)));
  EXPECT_EQ(state_.polls.size(), 1u);
  EXPECT_TRUE(state_.polls.Waits("d"));
  EXPECT_THAT(state_.touched, ElementsAre(1));
  EXPECT_TRUE(state_.leases.Holds({1, 3}, "a"));
  EXPECT_TRUE(state_.leases.Holds({1, 4}, "c"));
  EXPECT_EQ(state_.leases.Deadline({1, 3}), state_.now.steady + Millis{30'000});
  ASSERT_THAT(dispatcher_.table(), SizeIs(1));
  EXPECT_EQ(dispatcher_.table()[0].entry, &entry);
  EXPECT_EQ(dispatcher_.table()[0].ready, 0u);
  EXPECT_EQ(dispatcher_.table()[0].running, 4u);
}

TEST_F(DispatcherTest, GivesATaskWithAllThatItNeeds) {
  SearchEntry& entry = Add();
  Park("w");
  Run();
  ASSERT_THAT(answers_, SizeIs(1));
  ASSERT_THAT(answers_[0], SizeIs(1));
  const LeasedTask& task = answers_[0][0];
  EXPECT_EQ(task.token, (LeaseToken{1, 1, 1, TokenLineage(7, entry.stored)}));
  EXPECT_EQ(task.search_name, "searches/s-1");
  EXPECT_EQ(task.spec, entry.spec);
  EXPECT_EQ(task.architecture, entry.search->candidate(1)->architecture);
  EXPECT_EQ(task.kind, core::TaskKind::kEvaluate);
  EXPECT_FALSE(task.is_final);
  EXPECT_EQ(task.identity, WorkIdentity(task.token, task.kind));
  // The number is the same for each attempt, and differs for each repeat and each full training.
  core::Candidate candidate = *entry.search->candidate(1);
  candidate.attempt = 2;
  EXPECT_EQ(MakeTask(state_, entry, candidate).seed, task.seed);
  EXPECT_EQ(MakeTask(state_, entry, candidate).identity, task.identity);
  std::set<std::uint32_t> seeds = {task.seed};
  for (int i = 1; i <= 3; ++i) {
    candidate.repeat_of = 1;
    candidate.repeat = i;
    EXPECT_TRUE(seeds.insert(MakeTask(state_, entry, candidate).seed).second);
  }
  candidate.repeat_of = candidate.repeat = 0;
  candidate.final_of = 1;
  for (int i = 1; i <= 3; ++i) {
    candidate.final_seed = i;
    EXPECT_TRUE(seeds.insert(MakeTask(state_, entry, candidate).seed).second);
    EXPECT_TRUE(MakeTask(state_, entry, candidate).is_final);
  }
}

TEST_F(DispatcherTest, GivesATaskOnlyToWorkersWithTheLabels) {
  core::SearchConfig config = Config();
  config.require = {{"device", "gpu"}};
  Add(config);
  Add();
  Park("cpu", 1, {{"device", "cpu"}});
  Park("gpu", 1, {{"device", "gpu"}});
  Park("none");
  EXPECT_THAT(Run(), ElementsAre("cpu", "gpu", "none"));
  const auto tasks = Tasks();
  ASSERT_THAT(tasks, SizeIs(3));
  EXPECT_EQ(tasks[0].first, 2u);
  EXPECT_EQ(tasks[2].first, 2u);
}

TEST_F(DispatcherTest, AHigherPriorityGoesFirst) {
  Add();
  core::SearchConfig config = Config();
  config.sharing.priority = 5;
  config.trainings = 2;
  Add(config);
  Park("w", 4);
  Run();
  EXPECT_THAT(Tasks(), ElementsAre(std::pair(2, 1), std::pair(2, 2), std::pair(1, 1), std::pair(1, 2)));
}

TEST_F(DispatcherTest, PausedAndEndedSearchesGiveNothing) {
  SearchEntry& paused = Add();
  ASSERT_TRUE(paused.search->Pause().ok());
  SearchEntry& ended = Add();
  ASSERT_TRUE(ended.search->Cancel(1).ok());
  Park("w");
  EXPECT_THAT(Run(), IsEmpty());
  ASSERT_THAT(dispatcher_.table(), SizeIs(1));
  EXPECT_EQ(dispatcher_.table()[0].entry, &paused);
  ASSERT_TRUE(paused.search->Resume(1).ok());
  EXPECT_THAT(Run(), ElementsAre("w"));
}

TEST_F(DispatcherTest, WhatOneWorkerFailedGoesToTheNext) {
  core::SearchConfig config = Config();
  config.trainings = 1;
  SearchEntry& entry = Add(config);
  Park("a");
  EXPECT_THAT(Run(), ElementsAre("a"));
  entry.search->Fail(1, 1, "a", core::FailureKind::kEvaluator, "why", state_.now);
  Pass(Millis{500});
  Park("a");
  Hear("b");
  EXPECT_THAT(Run(), IsEmpty());
  Park("b");
  EXPECT_THAT(Run(), ElementsAre("b"));
  EXPECT_TRUE(state_.polls.Waits("a"));
  EXPECT_EQ(entry.search->candidate(1)->worker, "b");
}

TEST_F(DispatcherTest, TakesTheResultsOfOtherSearches) {
  core::SearchConfig config = Config();
  config.strategy = core::ExhaustiveOptions{};
  config.evaluation_key = "same";
  SearchEntry& first = Add(config);
  for (int i = 0; i < 9; ++i) Complete(first, Lease(first), i);
  config.evaluation_key = "other";
  SearchEntry& stranger = Add(config);
  Complete(stranger, Lease(stranger), 99);
  config.evaluation_key = "same";
  config.reuse_results = true;
  SearchEntry& second = Add(config);
  ASSERT_TRUE(stranger.search->Cancel(1).ok());
  Park("w");
  // There is no task, because everything has its result.
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_EQ(second.search->state(), core::SearchState::kSucceeded);
  for (std::uint64_t number = 1; number <= 9; ++number) {
    const core::Candidate& candidate = *second.search->candidate(number);
    EXPECT_EQ(candidate.reused_from, "searches/s-1/candidates/" + std::to_string(number));
    EXPECT_EQ(candidate.reward, static_cast<double>(number - 1));
  }
}

TEST_F(DispatcherTest, ComputesProposalsAsLateAsItCan) {
  SearchEntry& entry = AddGuided();
  const std::size_t design = entry.search->candidates().size();
  ASSERT_GT(entry.search->Ready(), 0u);
  // First nobody waits; then nobody who fits waits.
  Run();
  Park("cpu", 8);
  Run();
  EXPECT_THAT(solver_.held, IsEmpty());
  Park("gpu", 3, {{"device", "gpu"}});
  state_.draining = true;
  Run();
  EXPECT_THAT(solver_.held, IsEmpty());
  state_.draining = false;
  EXPECT_THAT(Run(), IsEmpty());
  ASSERT_THAT(solver_.held, SizeIs(1));
  // There is only one computation at a time.
  Run();
  ASSERT_THAT(solver_.held, SizeIs(1));
  state_.touched.clear();
  solver_.held[0]();
  // The engine's thread takes it back.
  EXPECT_THAT(Run(), IsEmpty());
  ASSERT_THAT(submitted_, SizeIs(1));
  submitted_[0]();
  EXPECT_THAT(state_.touched, ElementsAre(1));
  EXPECT_THAT(Run(), ElementsAre("gpu"));
  EXPECT_EQ(entry.search->candidates().size(), design + 3);
}

TEST_F(DispatcherTest, WhatIsReservedMayLoseItsPlaceToAnotherKindOfTask) {
  core::SearchConfig config = Config();
  config.space.layers.resize(8, config.space.layers[0]);
  for (core::Layer& layer : config.space.layers) layer.costs.clear();
  config.strategy = core::GuidedOptions{};
  config.trainings = 100;
  config.measure_on.emplace()["device"] = "phone";
  config.require["device"] = "gpu";
  config.sharing.max_running = 2;
  SearchEntry& entry = Add(config);
  // The initial design is measured and trained, except for one candidate that is not trained yet.
  // From now on, proposals are computed.
  while (const core::Candidate* candidate = entry.search->Lease("p", "r", state_.now, core::TaskKind::kMeasure)) {
    const core::AttemptResult measured(core::Metrics{{"latency_ms", 1.0 + static_cast<double>(candidate->number % 5)}});
    entry.search->Complete(candidate->number, candidate->attempt, "p", measured, state_.now);
    if (entry.search->Ready(core::TaskKind::kTrain) < 2) continue;
    Complete(entry, *entry.search->Lease("g", "r", state_.now, core::TaskKind::kTrain), 0.5);
  }
  ASSERT_EQ(entry.search->Ready(core::TaskKind::kTrain), 1u);
  ASSERT_EQ(entry.search->Ready(core::TaskKind::kMeasure), 2u);
  // One of two places is reserved for the first worker, the second worker takes the other, and
  // nothing is left for the third.
  Park("p1", 1, {{"device", "phone"}});
  Park("g1", 1, {{"device", "gpu"}});
  Park("p2", 1, {{"device", "phone"}});
  EXPECT_THAT(Run(), ElementsAre("g1"));
  EXPECT_THAT(solver_.held, SizeIs(1));
}

TEST_F(DispatcherTest, APollWaitsForWhatIsComputedForTwoSecondsWhileOthersHaveTasks) {
  core::Sharing sharing;
  sharing.priority = 5;
  ASSERT_TRUE(AddGuided().search->Share(sharing).ok());
  core::SearchConfig other = Config();
  other.require["device"] = "gpu";
  Add(other);
  Park("gpu", 1, {{"device", "gpu"}});
  EXPECT_THAT(Run(), IsEmpty());
  ASSERT_THAT(solver_.held, SizeIs(1));
  Pass(Millis{2'000});
  EXPECT_THAT(Run(), IsEmpty());
  Pass(Millis{1});
  EXPECT_THAT(Run(), ElementsAre("gpu"));
  EXPECT_EQ(Tasks()[0].first, 2u);
}

TEST_F(DispatcherTest, WhatIsComputedEndsWhereItIsCancelled) {
  SearchEntry& entry = AddGuided();
  const std::size_t design = entry.search->candidates().size();
  Park("gpu", 16, {{"device", "gpu"}});
  Run();
  ASSERT_THAT(solver_.held, SizeIs(1));
  dispatcher_.CancelWork();
  solver_.held[0]();
  submitted_[0]();
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_EQ(entry.search->candidates().size(), design);
  // The learned state is not lost with it.
  ASSERT_THAT(solver_.held, SizeIs(2));
  solver_.held[1]();
  submitted_[1]();
  EXPECT_THAT(Run(), ElementsAre("gpu"));
}

TEST_F(DispatcherTest, TheEndOfASearchEndsWhatIsComputedForIt) {
  SearchEntry& entry = AddGuided();
  const std::size_t design = entry.search->candidates().size();
  Park("gpu", 16, {{"device", "gpu"}});
  Run();
  ASSERT_THAT(solver_.held, SizeIs(1));
  // As if it had ended, but the test can still read it.
  const auto kept = std::exchange(entry.search, nullptr);
  Run();
  entry.search = kept;
  solver_.held[0]();
  submitted_[0]();
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_EQ(entry.search->candidates().size(), design);
}

TEST_F(DispatcherTest, SearchesThatComputeTakeTurns) {
  SearchEntry& first = AddGuided();
  SearchEntry& second = AddGuided();
  const std::size_t design = first.search->candidates().size();
  // More than one computation is needed.
  for (int i = 0; i < 4; ++i) Park("gpu-" + std::to_string(i), 20, {{"device", "gpu"}});
  Run();
  std::vector<std::uint64_t> computed;
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_GT(solver_.held.size(), i);
    // At most one of each waits or runs.
    EXPECT_LE(solver_.held.size(), i + 2);
    solver_.held[i]();
    state_.touched.clear();
    submitted_.back()();
    ASSERT_THAT(state_.touched, SizeIs(1));
    computed.push_back(*state_.touched.begin());
    Run();
  }
  EXPECT_THAT(computed, ElementsAre(1, 2, 1, 2));
  EXPECT_LE(first.search->candidates().size(), design + 32);
  EXPECT_LE(second.search->candidates().size(), design + 32);
}

}  // namespace
}  // namespace layernas
