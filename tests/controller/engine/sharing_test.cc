// Tests many searches on one fleet.
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using core::CandidateState;
using core::CompletionVerdict;
using core::SearchState;

class SharingTest : public EngineTest {
 protected:
  // With more work than any test does.
  static v1::SearchSpec Spec(const std::string& name, double weight = 1, int priority = 0, int max_running = 0) {
    v1::SearchSpec spec = RandomSpec(name, 1'000'000, 12, 8);
    spec.mutable_sharing()->set_weight(weight);
    spec.mutable_sharing()->set_priority(priority);
    spec.mutable_sharing()->set_max_running(max_running);
    return spec;
  }
  absl::StatusOr<SearchView> Update(const std::string& name, const SharingUpdate& update) {
    return Await<SearchView>([&](auto reply) { engine_->UpdateSearch(name, update, reply); });
  }
  std::size_t Running(const std::string& name) { return Get(name)->candidates.at(CandidateState::kLeased); }

  // Simulates a fleet of one-slot workers that are never idle. Evaluations take one second each and
  // end one at a time, evenly spread. Counts the started ones by search.
  std::map<std::string, int> Saturate(int slots, int evaluations) {
    std::map<std::string, int> begun;
    for (int i = 0; i < evaluations; ++i) {
      if (static_cast<int>(busy_.size()) >= slots) {
        const auto [worker, task] = busy_.front();
        busy_.pop_front();
        clock_.Pass(Millis{1000} / slots);
        EXPECT_EQ(Complete(worker, task).status, CompletionVerdict::kAccepted);
        idle_.push_back(worker);
      } else {
        idle_.push_back("w" + std::to_string(busy_.size()));
      }
      const LeasedTask task = LeaseOne(idle_.back());
      ++begun[task.search_name];
      busy_.emplace_back(idle_.back(), task);
      idle_.pop_back();
    }
    return begun;
  }

  std::deque<std::pair<std::string, LeasedTask>> busy_;
  std::vector<std::string> idle_;
};

TEST_F(SharingTest, ASaturatedFleetIsSharedByWeight) {
  const std::string one = Create(Spec("one", 1));
  const std::string two = Create(Spec("two", 2));
  const std::string four = Create(Spec("four", 4));
  // On fewer slots than divide evenly.
  Saturate(10, 100);
  std::map<std::string, int> begun = Saturate(10, 1400);
  EXPECT_NEAR(begun[one], 200, 10);
  EXPECT_NEAR(begun[two], 400, 20);
  EXPECT_NEAR(begun[four], 800, 40);
}

TEST_F(SharingTest, ASingleWorkerIsSharedByWeightToo) {
  const std::string one = Create(Spec("one", 1));
  const std::string two = Create(Spec("two", 2));
  const std::string four = Create(Spec("four", 4));
  Saturate(1, 50);
  std::map<std::string, int> begun = Saturate(1, 700);
  EXPECT_NEAR(begun[one], 100, 5);
  EXPECT_NEAR(begun[two], 200, 10);
  EXPECT_NEAR(begun[four], 400, 20);
}

TEST_F(SharingTest, AnUpdateHoldsFromThenOnAndOverARestart) {
  const std::string first = Create(Spec("first"));
  const std::string second = Create(Spec("second"));
  Saturate(6, 60);
  const std::uint64_t sequence = Get(second)->sequence;
  const auto updated = Update(second, {.weight = 2, .priority = std::nullopt, .max_running = std::nullopt});
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->sharing, (core::Sharing{2, 0, 0}));
  // Watches are notified.
  EXPECT_EQ(updated->sequence, sequence + 1);
  Saturate(6, 30);
  std::map<std::string, int> begun = Saturate(6, 600);
  EXPECT_NEAR(begun[first], 200, 10);
  Restart();
  EXPECT_EQ(Get(first)->sharing, (core::Sharing{1, 0, 0}));
  EXPECT_EQ(Get(second)->sharing, (core::Sharing{2, 0, 0}));
  EXPECT_EQ(Update(second, {.weight = std::nullopt, .priority = -3, .max_running = 7})->sharing,
            (core::Sharing{2, -3, 7}));
}

TEST_F(SharingTest, AnEndedSearchHasNothingToShare) {
  const std::string name = Create(Spec("s"));
  ASSERT_TRUE(Cancel(name).ok());
  EXPECT_EQ(Update(name, {.weight = 2, .priority = {}, .max_running = {}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Update("searches/none-9", {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SharingTest, WhoIsOfHigherPriorityGoesStrictlyFirst) {
  const std::string low = Create(Spec("low", 1000, 0));
  const std::string high = Create(Spec("high", 1, 1));
  EXPECT_THAT(Saturate(4, 100), ElementsAre(std::pair(high, 100)));
  // Slots that it does not use go to the others.
  ASSERT_TRUE(Pause(high).ok());
  EXPECT_THAT(Saturate(4, 20), ElementsAre(std::pair(low, 20)));
  ASSERT_TRUE(Resume(high).ok());
  EXPECT_THAT(Saturate(4, 20), ElementsAre(std::pair(high, 20)));
  ASSERT_TRUE(Update(low, {.weight = {}, .priority = 2, .max_running = {}}).ok());
  EXPECT_THAT(Saturate(4, 20), ElementsAre(std::pair(low, 20)));
}

TEST_F(SharingTest, NoMoreRunThanAreAllowed) {
  const std::string name = Create(Spec("s", 1, 0, 3));
  const Tasks tasks = Lease("a", 8);
  EXPECT_THAT(tasks, SizeIs(3));
  EXPECT_EQ(Get(name)->ready, 0u);
  const Awaited<Tasks> parked = Park("b");
  EXPECT_FALSE(parked.Answered());
  // Each ended task frees a place.
  Complete("a", tasks[0]);
  Settle();
  EXPECT_THAT(*parked.Get(), SizeIs(1));
  EXPECT_EQ(Running(name), 3u);
  // Below the current number: running tasks continue, and no further ones start.
  ASSERT_TRUE(Update(name, {.weight = {}, .priority = {}, .max_running = 1}).ok());
  EXPECT_EQ(Running(name), 3u);
  Complete("a", tasks[1]);
  EXPECT_THAT(Lease("c", 8), IsEmpty());
  ASSERT_TRUE(Update(name, {.weight = {}, .priority = {}, .max_running = 0}).ok());
  EXPECT_THAT(Lease("c", 8), SizeIs(8));
}

TEST_F(SharingTest, WhatOneMayNotUseOthersGet) {
  const std::string capped = Create(Spec("capped", 1000, 1, 2));
  const std::string other = Create(Spec("other"));
  Saturate(6, 60);
  EXPECT_EQ(Running(capped), 2u);
  EXPECT_EQ(Running(other), 4u);
}

TEST_F(SharingTest, LabelsMayAskForANumberThatIsLargeEnough) {
  v1::SearchSpec spec = Spec("s");
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  (*spec.mutable_evaluation()->mutable_require())["memory_gib"] = ">=40";
  Create(spec);
  const auto lease = [this](const std::map<std::string, std::string>& labels) {
    LeaseRequest request = Request("w");
    request.worker.labels = labels;
    return Lease(request)->size();
  };
  EXPECT_EQ(lease({{"device", "gpu"}, {"memory_gib", "24"}}), 0u);
  EXPECT_EQ(lease({{"device", "cpu"}, {"memory_gib", "80"}}), 0u);
  EXPECT_EQ(lease({{"device", "gpu"}}), 0u);
  EXPECT_EQ(lease({{"device", "gpu"}, {"memory_gib", "80"}, {"rack", "7"}}), 1u);
}

TEST_F(SharingTest, PauseResumeAndCancelAtAnyMoment) {
  const std::string first = Create(Spec("first"));
  const std::string second = Create(Spec("second"));
  Saturate(4, 20);
  ASSERT_TRUE(Pause(first).ok());
  // Running trainings count, and nothing new starts.
  EXPECT_THAT(Saturate(4, 12), ElementsAre(std::pair(second, 12)));
  EXPECT_EQ(Running(first), 0u);
  ASSERT_TRUE(Resume(first).ok());
  Saturate(4, 12);
  EXPECT_GE(Running(first), 1u);
  const auto held = busy_;
  ASSERT_TRUE(Cancel(first).ok());
  for (const auto& [worker, task] : held) {
    EXPECT_THAT(Heartbeat(worker, {FormatLeaseToken(task.token)}), ElementsAre(task.search_name == second));
  }
  EXPECT_EQ(Get(first)->state, SearchState::kCancelled);
  std::erase_if(busy_, [&first](const auto& one) { return one.second.search_name == first; });
  EXPECT_THAT(Saturate(2, 10), ElementsAre(std::pair(second, 10)));
  EXPECT_THAT(Check().problems, IsEmpty());
}

class ReuseTest : public SharingTest {
 protected:
  // Both search the same space in the same order.
  static v1::SearchSpec Exhaustive(const std::string& name, bool reuse) {
    v1::SearchSpec spec = SpaceOf(name, 2, 3);
    spec.mutable_strategy()->mutable_exhaustive();
    spec.mutable_evaluation()->mutable_train()->set_dataset("cifar10");
    spec.mutable_evaluation()->set_reuse_results(reuse);
    return spec;
  }
};

TEST_F(ReuseTest, WhatOthersFoundIsNotTrainedAgain) {
  const std::string first = Create(Exhaustive("first", false));
  EXPECT_EQ(Finish(), 9);
  // Strategy, objective and budget may differ.
  v1::SearchSpec spec = Exhaustive("second", true);
  spec.mutable_strategy()->mutable_random();
  spec.mutable_budget()->set_trainings(7);
  spec.mutable_objective()->add_targets(100);
  const std::string second = Create(spec);
  EXPECT_THAT(Lease("w", 8), IsEmpty());
  EXPECT_EQ(Get(second)->state, SearchState::kSucceeded);
  EXPECT_EQ(Get(second)->trainings, 7);
  EXPECT_EQ(metrics_->results_reused.Value(), 7);
  for (const core::Candidate& candidate : Candidates(second)) {
    ASSERT_THAT(candidate.reused_from, HasSubstr(first + "/candidates/"));
    const core::Candidate origin = Candidate(first, std::stoull(candidate.reused_from.substr(first.size() + 12)));
    EXPECT_EQ(candidate.architecture, origin.architecture);
    EXPECT_EQ(candidate.metrics, origin.metrics);
    EXPECT_EQ(candidate.reward, origin.reward);
    EXPECT_EQ(candidate.worker, "");
    EXPECT_EQ(candidate.attempt, 0);
  }
  EXPECT_THAT(Check().problems, IsEmpty());
  const std::vector<core::Candidate> before = Candidates(second);
  Restart();
  EXPECT_EQ(Candidates(second), before);
}

TEST_F(ReuseTest, OnlyWhatIsKnownIsReused) {
  const std::string first = Create(Exhaustive("first", false));
  for (int i = 0; i < 4; ++i) Complete("w", LeaseOne("w"));
  ASSERT_TRUE(Cancel(first).ok());
  const std::string second = Create(Exhaustive("second", true));
  EXPECT_EQ(Finish(), 5);
  EXPECT_EQ(Get(second)->state, SearchState::kSucceeded);
  EXPECT_EQ(metrics_->results_reused.Value(), 4);
}

TEST_F(ReuseTest, OnlyWhoAsksForItGetsIt) {
  Create(Exhaustive("first", true));
  EXPECT_EQ(Finish(), 9);
  Create(Exhaustive("second", false));
  EXPECT_EQ(Finish(), 9);
}

TEST_F(ReuseTest, NothingIsReusedOfAnotherEvaluation) {
  Create(Exhaustive("first", false));
  EXPECT_EQ(Finish(), 9);
  std::vector<v1::SearchSpec> others(6, Exhaustive("other", true));
  others[0].mutable_evaluation()->mutable_train()->set_dataset("shapes10");
  others[1].mutable_evaluation()->mutable_train()->set_epochs(7);
  others[2].mutable_evaluation()->mutable_measure()->set_batch(2);
  others[3].mutable_space()->mutable_network()->set_stem_channels(16);
  others[4].mutable_space()->mutable_layers(0)->mutable_options(1)->set_name("wider");
  others[5].mutable_space()->mutable_layers(1)->set_channels(32);
  for (const v1::SearchSpec& spec : others) {
    Create(spec);
    EXPECT_EQ(Finish(), 9) << spec.DebugString();
  }
  v1::SearchSpec elsewhere = Exhaustive("elsewhere", true);
  (*elsewhere.mutable_evaluation()->mutable_require())["device"] = "gpu";
  Create(elsewhere);
  LeaseRequest request = Request("gpu", 8);
  request.worker.labels = {{"device", "gpu"}};
  EXPECT_EQ(Lease(request)->size(), 8u);
  EXPECT_EQ(metrics_->results_reused.Value(), 0);
}

TEST_F(ReuseTest, ResultsThatLackWhatIsAskedForAreNoUse) {
  Create(Exhaustive("first", false));
  EXPECT_EQ(Finish(), 9);
  v1::SearchSpec spec = Exhaustive("second", true);
  spec.mutable_objective()->set_reward("f1");
  Create(spec);
  const LeasedTask task = LeaseOne("w");
  EXPECT_EQ(Report("w", task.token, core::Metrics{{"f1", 0.5}}).status, CompletionVerdict::kAccepted);
}

TEST_F(ReuseTest, DeletedResultsAreGone) {
  const std::string first = Create(Exhaustive("first", false));
  EXPECT_EQ(Finish(), 9);
  ASSERT_TRUE(Delete(first).ok());
  Create(Exhaustive("second", true));
  EXPECT_EQ(Finish(), 9);
}

TEST_F(ReuseTest, ManyResultsAreTakenInOneGo) {
  v1::SearchSpec spec = SpaceOf("first", 4, 5);
  spec.mutable_strategy()->mutable_exhaustive();
  Create(spec);
  EXPECT_EQ(Finish(), 5 * 5 * 5 * 5);
  spec.set_name("second");
  spec.mutable_evaluation()->set_reuse_results(true);
  const std::string second = Create(spec);
  const Awaited<Tasks> parked = Park("w");
  // A turn handles some of them, and the others follow without further calls.
  for (int i = 0; i < 10; ++i) Settle();
  EXPECT_EQ(Get(second)->state, SearchState::kSucceeded);
  EXPECT_FALSE(parked.Answered());
}

}  // namespace
}  // namespace layernas
