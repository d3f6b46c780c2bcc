// Tests an AgentMachine while an evaluation needs the machine to itself for lack of memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/agent/machine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr Progress kWantsMachine = {.begins_again = true, .wants_machine = true};

TEST_F(AgentMachineTest, AnEvaluationThatBeginsAgainHasANewCurve) {
  Start();
  AnswerHeartbeat();
  v1::Task told = MakeTask(1);
  told.set_report_epochs(true);
  AnswerPoll({told});
  machine_->EvaluationProgressed(now_, 0, {1, 5, 0.25});
  machine_->EvaluationProgressed(now_, 0, {2, 5, 0.5});
  machine_->EvaluationProgressed(now_, 0, {.begins_again = true});
  Pass(Millis(200));
  ASSERT_THAT(Held(), ElementsAre("lease-1"));
  EXPECT_EQ(heartbeat_->request.leases(0).curve_size(), 0);
  EXPECT_EQ(heartbeat_->request.leases(0).progress().epoch(), 0);
  machine_->EvaluationProgressed(now_, 0, {1, 5, 0.125});
  EndEvaluation(0, Accuracy(0.5));
  const auto& curve = completions_->request.completions(0).result().curve();
  ASSERT_EQ(curve.size(), 1);
  EXPECT_EQ(curve[0].reward(), 0.125f);
}

TEST_F(AgentMachineTest, LeasesNothingWhileAnEvaluationWantsTheMachine) {
  Start(3);
  AnswerPoll({MakeTask(1), MakeTask(2), MakeTask(3)});
  machine_->EvaluationProgressed(now_, 0, kWantsMachine);
  Collect();
  EndEvaluation(1, Accuracy(0.5));
  AnswerCompletions();
  EndEvaluation(2, Accuracy(0.5));
  AnswerCompletions();
  Pass(std::chrono::minutes(1));
  EXPECT_FALSE(poll_.has_value());
  EndEvaluation(0, Accuracy(0.5));
  AnswerCompletions();
  ASSERT_TRUE(poll_.has_value());
  EXPECT_EQ(poll_->request.max_tasks(), 3);
}

TEST_F(AgentMachineTest, GivesBackWhatAPollBringsWhileAnEvaluationWantsTheMachine) {
  Start(2);
  AnswerPoll({MakeTask(1)});
  ASSERT_TRUE(poll_.has_value());
  machine_->EvaluationProgressed(now_, 0, kWantsMachine);
  AnswerPoll({MakeTask(2)});
  EXPECT_THAT(running_, ElementsAre(Pair(0, MakeTask(1).candidate())));
  ASSERT_TRUE(release_.has_value());
  EXPECT_THAT(release_->request.lease_tokens(), ElementsAre("lease-2"));
  EXPECT_FALSE(poll_.has_value());
}

// The evaluation has the machine, or waits for it, until its evaluator has noticed the
// cancellation.
TEST_F(AgentMachineTest, ACancelledEvaluationWantsTheMachineUntilItsEnd) {
  Start(2);
  AnswerPoll({MakeTask(1)});
  AnswerPoll({});
  AnswerHeartbeat();
  Pass(options_.heartbeat_interval);
  AnswerHeartbeat(absl::OkStatus(), {"lease-1"});
  EXPECT_THAT(stopped_, ElementsAre(0));
  machine_->EvaluationProgressed(now_, 0, kWantsMachine);
  AnswerPoll({});
  Pass(std::chrono::minutes(1));
  EXPECT_FALSE(poll_.has_value());
}

// An outcome that is held back for a possible drain has no evaluator any more.
TEST_F(AgentMachineTest, AnEndedEvaluationWantsTheMachineNoMore) {
  Start(2);
  AnswerPoll({MakeTask(1)});
  machine_->EvaluationProgressed(now_, 0, kWantsMachine);
  AnswerPoll({});
  EndEvaluation(0, EvaluationFailure{.message = "killed by signal 15", .told_to_end = true});
  Pass(Millis(200));
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_TRUE(poll_.has_value());
}

}  // namespace
}  // namespace layernas
