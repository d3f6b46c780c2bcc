// Strategies that compute their proposals do so beside the engine's thread.
#include <thread>

#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::SizeIs;

v1::SearchSpec GuidedSpec(int trainings) {
  v1::SearchSpec spec = SpaceOf("guided", 8, 4);
  spec.mutable_strategy()->mutable_guided_layernas();
  spec.mutable_objective()->add_targets(60);
  spec.mutable_budget()->set_trainings(trainings);
  return spec;
}

class ComputedProposals : public EngineTest {
 protected:
  static constexpr Millis kLong{60'000};

  // Works until the search ends or `most` candidates are evaluated.
  void Work(const std::string& name, int most) {
    for (int done = 0; done < most && !core::IsFinal(Get(name)->state);) {
      const auto tasks = Lease(Request("w1", 3, kLong));
      ASSERT_TRUE(tasks.ok()) << tasks.status();
      for (const LeasedTask& task : *tasks) {
        EXPECT_EQ(Complete("w1", task).status, core::CompletionVerdict::kAccepted);
        ++done;
      }
    }
  }
};

TEST_F(ComputedProposals, AParkedPollGetsThemWhenTheyAreThere) {
  const std::string name = Create(GuidedSpec(40));
  Work(name, 1000);
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  EXPECT_THAT(Candidates(name), SizeIs(40));
}

TEST_F(ComputedProposals, ASearchBesideOneThatIsAlwaysReadyHasItsTurns) {
  const std::string other = Create(RandomSpec("other", 1'000'000, 12, 8));
  v1::SearchSpec spec = GuidedSpec(40);
  spec.mutable_sharing()->set_priority(10);
  const std::string name = Create(spec);
  // No poll is ever left unanswered. How many rounds it takes depends on the machine; without its turns it never ends.
  for (int round = 0; round < 60'000 && !core::IsFinal(Get(name)->state); ++round) {
    const LeasedTask task = LeaseOne("w1");
    EXPECT_EQ(Complete("w1", task).status, core::CompletionVerdict::kAccepted);
    std::this_thread::sleep_for(Millis{1});
  }
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  EXPECT_THAT(Candidates(name), SizeIs(40));
}

TEST_F(ComputedProposals, ASearchGoesOnAfterARestart) {
  const std::string name = Create(GuidedSpec(40));
  Work(name, 20);
  Restart();
  Work(name, 1000);
  EXPECT_EQ(Get(name)->state, core::SearchState::kSucceeded);
  std::set<core::Architecture> distinct;
  for (const core::Candidate& candidate : Candidates(name)) distinct.insert(candidate.architecture);
  EXPECT_THAT(distinct, SizeIs(40));
}

TEST_F(ComputedProposals, ASearchMayBeDeletedWhileTheyAreComputed) {
  for (int i = 0; i < 10; ++i) {
    const std::string name = Create(GuidedSpec(60));
    Work(name, 20);
    Awaited<Tasks> parked;
    engine_->LeaseTasks(Request("w2", 8, kLong), parked.reply());
    ASSERT_TRUE(Cancel(name).ok());
    ASSERT_TRUE(Delete(name).ok());
  }
  Restart();
}

}  // namespace
}  // namespace layernas
