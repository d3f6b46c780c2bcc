// Tests how an AgentMachine drains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/agent/machine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST_F(AgentMachineTest, AnEndByASignalIsHeldBackForTheDrain) {
  Start(2);
  AnswerPoll({MakeTask(1), MakeTask(2)});
  EndEvaluation(0, EvaluationFailure{.message = "killed by signal 15", .told_to_end = true});
  EXPECT_THAT(Sent(), IsEmpty());
  // No signal has reached the agent.
  Pass(options_.drain_follows);
  EXPECT_THAT(Sent(), ElementsAre("lease-1"));
  AnswerCompletions();
  EndEvaluation(1, EvaluationFailure{.message = "killed by signal 15", .told_to_end = true});
  machine_->Drain(now_);
  Collect();
  EXPECT_THAT(Sent(), IsEmpty());
  AnswerPoll({}, absl::CancelledError("cut off"));
  AnswerPoll({});
  EXPECT_THAT(release_->request.lease_tokens(), ElementsAre("lease-2"));
}

TEST_F(AgentMachineTest, ADrainAsksOnceMoreForWhatALostAnswerHeld) {
  Start();
  machine_->Drain(now_);
  Collect();
  AnswerPoll({}, absl::CancelledError("cut off"));
  EXPECT_TRUE(poll_->is_last);
  AnswerPoll({MakeTask(1)});
  EXPECT_THAT(running_, IsEmpty());
  EXPECT_THAT(release_->request.lease_tokens(), ElementsAre("lease-1"));
  EXPECT_FALSE(release_->request.worker_instance().empty());
  machine_->ReleaseAnswered(now_, release_->call, absl::UnavailableError("away"));
  EXPECT_FALSE(machine_->finished());
  Wake();
  EXPECT_FALSE(release_->request.leaving());
  machine_->ReleaseAnswered(now_, release_->call, absl::OkStatus());
  Collect();
  EXPECT_FALSE(machine_->finished());
  EXPECT_TRUE(release_->request.leaving());
  machine_->ReleaseAnswered(now_, release_->call, absl::OkStatus());
  EXPECT_TRUE(machine_->finished());
  EXPECT_EQ(machine_->NextWakeup(), SteadyTime::max());
}

// Otherwise a heartbeat in between would show the controller a worker that has lost the task.
TEST_F(AgentMachineTest, ADrainReturnsEachTaskWhenItEndsAndListsItUntilThen) {
  Start(2);
  AnswerPoll({MakeTask(1), MakeTask(2)});
  machine_->Drain(now_);
  Collect();
  EndEvaluation(0, EvaluationCancelled());
  ASSERT_TRUE(release_.has_value());
  EXPECT_THAT(release_->request.lease_tokens(), ElementsAre("lease-1"));
  EXPECT_FALSE(release_->request.leaving());
  // One that began before the tasks arrived.
  if (heartbeat_) AnswerHeartbeat();
  while (!heartbeat_) Wake();
  std::vector<std::string> listed;
  for (const v1::HeldLease& lease : heartbeat_->request.leases()) listed.push_back(lease.lease_token());
  EXPECT_THAT(listed, UnorderedElementsAre("lease-1", "lease-2"));
  EXPECT_THAT(running_, ElementsAre(Key(1))) << "the other one still runs";
}

// There is one attempt, whatever the controller answers: an older one refuses a call without
// tokens.
TEST_F(AgentMachineTest, ADrainEndsWithAGoodbye) {
  for (const absl::Status& answer : {absl::OkStatus(), absl::InvalidArgumentError("lease_tokens: must be 1 to 1024"),
                                     absl::UnavailableError("away")}) {
    Start();
    release_.reset();
    log_.clear();
    AnswerPoll({});
    Pass(Millis(100));
    machine_->Drain(now_);
    Collect();
    AnswerPoll({}, absl::CancelledError("cut off"));
    EXPECT_FALSE(release_.has_value());
    AnswerPoll({});
    ASSERT_TRUE(release_.has_value());
    EXPECT_TRUE(release_->request.leaving());
    EXPECT_EQ(release_->request.worker_id(), "worker-1");
    EXPECT_FALSE(release_->request.worker_instance().empty());
    EXPECT_THAT(release_->request.lease_tokens(), IsEmpty());
    machine_->ReleaseAnswered(now_, release_->call, answer);
    Collect();
    EXPECT_TRUE(machine_->finished());
    EXPECT_THAT(log_, HasSubstr("drained"));
    EXPECT_THAT(log_, Not(HasSubstr("returned tasks")));
  }
}

// The goodbye must come last, because the controller then forgets the worker.
TEST_F(AgentMachineTest, AGoodbyeWaitsForTheResults) {
  FinishTasks(1);
  machine_->Drain(now_);
  Collect();
  EXPECT_FALSE(release_.has_value());
  AnswerCompletions();
  ASSERT_TRUE(release_.has_value());
  EXPECT_TRUE(release_->request.leaving());
  // The poll's answer may be lost.
  Wake();
  EXPECT_TRUE(machine_->finished());
}

// On a slow connection, its log needs more than the time of a short call.
TEST_F(AgentMachineTest, ADrainGivesASingleResultAllOfItsTime) {
  FinishTasks(1);
  AnswerCompletions(absl::UnavailableError("away"));
  machine_->Drain(now_);
  Collect();
  ASSERT_TRUE(completions_.has_value());
  EXPECT_EQ(completions_->timeout, options_.drain_timeout);
  Pass(Millis(3'000));
  AnswerCompletions(absl::UnavailableError("away"));
  Wake();
  ASSERT_TRUE(completions_.has_value());
  EXPECT_EQ(completions_->timeout, options_.drain_timeout - Millis(3'200));
}

TEST_F(AgentMachineTest, ADrainLeavesHalfOfItsTimeForASingleResultWithoutItsLog) {
  FinishTasks(1, "its log");
  AnswerCompletions(absl::UnavailableError("away"));
  machine_->Drain(now_);
  Collect();
  ASSERT_TRUE(completions_.has_value());
  EXPECT_TRUE(completions_->request.completions(0).has_log());
  EXPECT_EQ(completions_->timeout, options_.drain_timeout / 2);
  Pass(options_.drain_timeout / 2);
  AnswerCompletions(absl::DeadlineExceededError("too slow"));
  Wake();
  ASSERT_TRUE(completions_.has_value());
  EXPECT_FALSE(completions_->request.completions(0).has_log());
  EXPECT_EQ(completions_->timeout, options_.drain_timeout / 2 - Millis(200));
}

TEST_F(AgentMachineTest, ADrainOnASlowConnectionReportsOneResultAtATimeWithoutLogs) {
  FinishTasks(5, "its log");
  AnswerCompletions(absl::UnavailableError("away"));
  machine_->Drain(now_);
  Collect();
  ASSERT_THAT(Sent(), SizeIs(5));
  EXPECT_EQ(completions_->timeout, Millis(2'000));
  Pass(Millis(2'000));
  AnswerCompletions(absl::DeadlineExceededError("too slow"));
  Wake();
  ASSERT_TRUE(completions_.has_value());
  EXPECT_EQ(completions_->timeout, options_.drain_timeout - Millis(2'200));
  std::vector<std::size_t> sizes;
  while (completions_) {
    sizes.push_back(Sent().size());
    for (const v1::Completion& completion : completions_->request.completions()) {
      EXPECT_EQ(completion.log().tail(), "");
    }
    AnswerCompletions();
  }
  EXPECT_THAT(sizes, ElementsAre(1, 2, 2));
}

// Before the drain, the result needed longer than a drain lasts.
TEST_F(AgentMachineTest, ADrainLeavesOutTheLogOfAResultThatIsKnownToBeSlow) {
  FinishTasks(1, "its log");
  AnswerCompletions(absl::DeadlineExceededError("too slow"));
  machine_->Drain(now_);
  Collect();
  ASSERT_THAT(Sent(), ElementsAre("lease-1"));
  EXPECT_EQ(completions_->request.completions(0).log().tail(), "");
}

TEST_F(AgentMachineTest, ADrainDoesNotWaitForEver) {
  FinishTasks(2);
  machine_->Drain(now_);
  Collect();
  for (int i = 0; i < 1'000 && !machine_->finished(); ++i) {
    if (poll_) AnswerPoll({}, absl::UnavailableError("away"));
    if (completions_) AnswerCompletions(absl::UnavailableError("away"));
    if (heartbeat_) AnswerHeartbeat(absl::UnavailableError("away"));
    if (!machine_->finished()) Wake();
  }
  EXPECT_TRUE(machine_->finished());
  EXPECT_THAT(log_, HasSubstr("could not deliver all results 2"));
}

}  // namespace
}  // namespace layernas
