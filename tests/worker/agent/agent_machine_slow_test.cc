// Tests the agent's machine on a slow connection, where calls take longer than their timeout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/worker/agent/machine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// On a slow connection, results arrive in smaller calls, and a single large one in a longer call.
TEST_F(AgentMachineTest, ResultsThatTakeTooLongAreReportedInParts) {
  FinishTasks(8);
  AnswerCompletions();
  ASSERT_THAT(Sent(), SizeIs(7));
  const absl::Status slow = absl::DeadlineExceededError("too slow");
  const Millis timeout = completions_->timeout;
  std::vector<std::size_t> sizes;
  while (completions_) {
    sizes.push_back(Sent().size());
    ASSERT_LT(sizes.size(), 100u);
    // Two results are delivered in the time of a call.
    AnswerCompletions(sizes.back() > 2 ? slow : absl::OkStatus());
    if (!completions_ && accepted_.size() < 8) Wake();
    while (!completions_ && accepted_.size() < 8) Wake();
  }
  EXPECT_EQ(accepted_.size(), 8u);
  EXPECT_THAT(sizes, ElementsAre(7, 3, 1, 2, 4, 2, 2));
  EXPECT_EQ(timeout, options_.call_timeout);
}

TEST_F(AgentMachineTest, ASingleResultGetsAsMuchTimeAsItNeeds) {
  FinishTasks(1);
  Millis timeout = options_.call_timeout;
  for (int call = 0; call < 8; ++call) {
    ASSERT_TRUE(completions_.has_value());
    EXPECT_EQ(completions_->timeout, timeout);
    AnswerCompletions(absl::DeadlineExceededError("too slow"));
    timeout = std::min(2 * timeout, Millis{300'000});
    while (!completions_) Wake();
  }
  AnswerCompletions();
  EXPECT_EQ(accepted_.size(), 1u);
}

// A ping behind a large result may be late, and then gRPC gives the connection up.
TEST_F(AgentMachineTest, AConnectionThatBreaksLateIsSlow) {
  FinishTasks(1);
  AnswerCompletions(absl::UnavailableError("connection refused"));
  Wake();
  ASSERT_TRUE(completions_.has_value());
  EXPECT_EQ(completions_->timeout, options_.call_timeout);
  Pass(options_.call_timeout);
  AnswerCompletions(absl::UnavailableError("recvmsg:Connection timed out"));
  while (!completions_) Wake();
  EXPECT_EQ(completions_->timeout, 2 * options_.call_timeout);
}

TEST_F(AgentMachineTest, AHeartbeatThatTakesTooLongBringsLessNews) {
  Start(4);
  AnswerHeartbeat();
  std::vector<v1::Task> tasks;
  for (int i = 1; i <= 4; ++i) tasks.push_back(MakeTask(i));
  for (v1::Task& task : tasks) task.set_report_epochs(true);
  AnswerPoll(tasks);
  for (int slot = 0; slot < 4; ++slot) {
    for (int epoch = 1; epoch <= 1000; ++epoch) machine_->EvaluationProgressed(now_, slot, {epoch, 1000, 0.25});
  }
  Collect();
  const auto news = [this] {
    int curves = 0;
    for (const v1::HeldLease& lease : heartbeat_->request.leases()) curves += lease.curve_size() > 0 ? 1 : 0;
    return curves;
  };
  while (!heartbeat_) Wake();
  EXPECT_EQ(news(), 4);
  for (int call = 0; call < 20 && news() > 1; ++call) {
    AnswerHeartbeat(absl::DeadlineExceededError("too slow"));
    while (!heartbeat_) Wake();
    // The others are listed, or the controller would consider them lost.
    EXPECT_THAT(Held(), SizeIs(4));
  }
  EXPECT_EQ(news(), 1);
  // The connection carries the news of two leases. All leases get their turn.
  std::set<std::string> told;
  int failed = 0;
  for (int call = 0; call < 40; ++call) {
    for (int slot = 0; slot < 4; ++slot) machine_->EvaluationProgressed(now_, slot, {1000, 1000, 0.25});
    const bool is_slow = news() > 2;
    for (const v1::HeldLease& lease : heartbeat_->request.leases()) {
      if (!is_slow && lease.curve_size() > 0) told.insert(lease.lease_token());
    }
    failed += is_slow ? 1 : 0;
    AnswerHeartbeat(is_slow ? absl::DeadlineExceededError("too slow") : absl::OkStatus());
    while (!heartbeat_) Wake();
  }
  EXPECT_THAT(told, SizeIs(4));
  EXPECT_LT(failed, 12);
}

// The news of lease-1 never arrive. The other leases are kept all the same.
TEST_F(AgentMachineTest, NewsThatNeverArriveStarveNoOtherLease) {
  Start(4);
  AnswerHeartbeat();
  v1::Task first = MakeTask(1);
  first.set_report_epochs(true);
  AnswerPoll({first, MakeTask(2), MakeTask(3), MakeTask(4)});
  int listed = 0;
  for (int call = 0; call < 40; ++call) {
    for (int epoch = 1; epoch <= 1000; ++epoch) machine_->EvaluationProgressed(now_, 0, {epoch, 1000, 0.25});
    while (!heartbeat_) Wake();
    const bool is_slow = std::any_of(heartbeat_->request.leases().begin(), heartbeat_->request.leases().end(),
                                     [](const v1::HeldLease& lease) { return lease.curve_size() > 0; });
    listed += is_slow || Held().size() < 4 ? 0 : 1;
    AnswerHeartbeat(is_slow ? absl::DeadlineExceededError("too slow") : absl::OkStatus());
  }
  EXPECT_GT(listed, 10);
}

TEST_F(AgentMachineTest, TheTimeThatAResultNeededIsRemembered) {
  FinishTasks(6);
  int calls = 0;
  while (accepted_.size() < 6) {
    while (!completions_) Wake();
    ++calls;
    ASSERT_LT(calls, 100);
    // Each needs 100 s.
    const bool is_slow = completions_->timeout < Millis{100'000} * static_cast<int>(Sent().size());
    AnswerCompletions(is_slow ? absl::DeadlineExceededError("too slow") : absl::OkStatus());
  }
  EXPECT_LT(calls, 20);
}

}  // namespace
}  // namespace layernas
