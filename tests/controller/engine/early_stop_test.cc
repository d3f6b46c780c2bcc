// Tests trainings that a heartbeat's answer stops because others of similar cost are better.
#include "common/spec/validate.h"
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::IsEmpty;

using core::CandidateState;
using core::CompletionVerdict;

class EarlyStopTest : public EngineTest {
 protected:
  EarlyStopTest() {
    v1::SearchSpec wanted = RandomSpec("s", 5);
    wanted.mutable_evaluation()->mutable_measure_on()->insert({"device", "any"});
    wanted.mutable_evaluation()->mutable_early_stop()->set_compared(2);
    name_ = Create(spec::WithDefaults(wanted));
  }

  // Returns a candidate that was measured and is leased for training.
  LeasedTask Training() {
    LeaseRequest request = Request("w");
    request.worker.labels["device"] = "any";
    const LeasedTask measure = Lease(request)->at(0);
    EXPECT_EQ(Complete("w", measure).status, CompletionVerdict::kAccepted);
    const LeasedTask training = Lease(request)->at(0);
    EXPECT_EQ(training.token.number, measure.token.number);
    return training;
  }
  bool GoesOn(const LeasedTask& training, TaskProgress progress, core::Curve curve = {}) {
    return HeartbeatWith("w", {{FormatLeaseToken(training.token), progress, std::move(curve)}}).at(0);
  }
  // Trains one epoch. Returns false if the training was stopped.
  bool Train(float reward) {
    const LeasedTask training = Training();
    if (!GoesOn(training, {1, 5, reward})) return false;
    const auto verdicts = Await<Verdicts>([&](auto reply) {
      engine_->CompleteTasks("w",
                             {{FormatLeaseToken(training.token),
                               core::AttemptResult(Evaluate(training.architecture), {{1, reward}}),
                               {},
                               ""}},
                             reply);
    });
    EXPECT_EQ(verdicts->at(0).status, CompletionVerdict::kAccepted);
    return true;
  }

  std::string name_;
};

TEST_F(EarlyStopTest, AHopelessTrainingIsCalledOff) {
  EXPECT_TRUE(Train(0.5f));
  EXPECT_TRUE(Train(0.6f));
  EXPECT_FALSE(Train(0.1f));
  const core::Candidate stopped = Candidate(name_, 3);
  EXPECT_EQ(stopped.state, CandidateState::kStopped);
  EXPECT_EQ(stopped.curve, (core::Curve{{1, 0.1f}}));
  EXPECT_EQ(Candidate(name_, 1).curve, (core::Curve{{1, 0.5f}}));
  const auto workers = Await<std::vector<WorkerView>>([this](auto reply) { engine_->ListWorkers("", 1, reply); });
  EXPECT_THAT(workers->at(0).candidates, IsEmpty());
  // The same holds after a restart.
  Restart();
  EXPECT_EQ(Candidate(name_, 3), stopped);
  EXPECT_FALSE(Train(0.2f));
}

TEST_F(EarlyStopTest, AfterARestartATrainingIsJudgedByItsWholeCurve) {
  EXPECT_TRUE(Train(0.5f));
  EXPECT_TRUE(Train(0.6f));
  const LeasedTask training = Training();
  EXPECT_TRUE(GoesOn(training, {3, 5, 0.8}, {{1, 0.9f}, {2, 0.85f}}));
  // The reports of heartbeats are not stored, so the worker reports all epochs again.
  Restart();
  EXPECT_TRUE(GoesOn(training, {4, 5, 0.1}, {{1, 0.9f}, {2, 0.85f}, {3, 0.8f}}));
  EXPECT_EQ(Candidate(name_, 3).state, CandidateState::kLeased);
}

}  // namespace
}  // namespace layernas
