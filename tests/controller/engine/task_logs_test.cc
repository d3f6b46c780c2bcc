// Tests the logs of evaluators, which are kept with the attempt for some time.
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using core::CompletionVerdict;

class TaskLogsTest : public EngineTest {
 protected:
  // Succeeds if the task's architecture has metrics, and fails if `fails`.
  CompletionVerdict ReportWithLog(const LeasedTask& task, bool fails, const std::string& tail) {
    layernas::Report report = Succeeded(task, tail);
    if (fails) {
      report.result.reset();
      report.message = "crashed";
    }
    const auto verdicts = Await<Verdicts>([&](auto reply) { engine_->CompleteTasks("w", {report}, reply); });
    EXPECT_TRUE(verdicts.ok()) << verdicts.status();
    return verdicts.ok() ? verdicts->at(0) : CompletionVerdict();
  }
  static layernas::Report Succeeded(const LeasedTask& task, const std::string& tail) {
    layernas::Report report;
    report.token = FormatLeaseToken(task.token);
    report.result = Evaluate(task.architecture);
    report.log = storage::StoredLog{"", 0, tail, 5};
    return report;
  }
  absl::StatusOr<TaskLogView> Log(const std::string& search, std::uint64_t candidate, int attempt = 0) {
    return Await<TaskLogView>(
        [&](auto reply) { engine_->GetTaskLog(CandidateName(search, candidate), attempt, reply); });
  }
  std::string Why(const std::string& search, std::uint64_t candidate, int attempt = 0) {
    const auto log = Log(search, candidate, attempt);
    EXPECT_EQ(log.status().code(), absl::StatusCode::kNotFound) << log.status();
    return std::string(log.status().message());
  }
};

TEST_F(TaskLogsTest, EachAttemptHasItsOwn) {
  v1::SearchSpec spec = RandomSpec("s", 10);
  spec.mutable_evaluation()->set_attempts(3);
  const std::string search = Create(spec);
  EXPECT_EQ(ReportWithLog(LeaseOne("w"), true, "no luck\n").status, CompletionVerdict::kAccepted);
  clock_.Pass(kLease);
  const LeasedTask again = LeaseOne("w");
  ASSERT_EQ(again.token.number, 1u);
  EXPECT_EQ(ReportWithLog(again, false, "done\n").status, CompletionVerdict::kAccepted);

  for (const bool restarted : {false, true}) {
    if (restarted) Restart();
    const auto latest = Log(search, 1);
    ASSERT_TRUE(latest.ok()) << latest.status();
    EXPECT_EQ(latest->attempt, 2);
    EXPECT_EQ(latest->log.tail, "done\n");
    EXPECT_EQ(latest->log.omitted_bytes, 5);
    EXPECT_EQ(latest->log.worker, "w");
    EXPECT_EQ(latest->log.time, Candidate(search, 1).ended);
    EXPECT_THAT(latest->attempts, ElementsAre(1, 2));
    EXPECT_EQ(Log(search, 1, 1)->log.tail, "no luck\n");
    EXPECT_THAT(Why(search, 1, 3), HasSubstr("no log is kept of attempt 3"));
    EXPECT_THAT(Why(search, 1, 3), HasSubstr("of attempts 1, 2"));
  }
}

TEST_F(TaskLogsTest, WhereThereIsNoneItSaysWhy) {
  const std::string search = Create(RandomSpec("s", 10));
  const LeasedTask task = LeaseOne("w");
  EXPECT_THAT(Why(search, 1), HasSubstr("no log yet"));
  Complete("w", task);
  EXPECT_THAT(Why(search, 1), HasSubstr("wrote nothing"));
  EXPECT_THAT(Why(search, 99), HasSubstr("there is no candidate " + search + "/candidates/99"));
  EXPECT_THAT(Why("searches/s-77", 1), HasSubstr("there is no search searches/s-77"));
  const auto bad = Await<TaskLogView>([&](auto reply) { engine_->GetTaskLog(search, 0, reply); });
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument) << bad.status();
}

TEST_F(TaskLogsTest, WhatIsRefusedLeavesNone) {
  const std::string search = Create(RandomSpec("s", 10));
  const LeasedTask task = LeaseOne("w");
  ReportWithLog(task, false, "first\n");
  layernas::Report other;
  other.token = FormatLeaseToken(task.token);
  other.result = core::Metrics{{"accuracy", 0.1}, {"latency_ms", 1}};
  other.log = storage::StoredLog{"", 0, "second\n", 0};
  const auto verdicts = Await<Verdicts>([&](auto reply) { engine_->CompleteTasks("other", {other}, reply); });
  ASSERT_EQ(verdicts->at(0).status, CompletionVerdict::kRefused);
  EXPECT_EQ(Log(search, 1)->log.tail, "first\n");
}

TEST_F(TaskLogsTest, GoWithTheirSearch) {
  const std::string search = Create(RandomSpec("s", 1));
  ReportWithLog(LeaseOne("w"), false, "a log\n");
  ASSERT_TRUE(Delete(search).ok());
  EXPECT_THAT(Why(search, 1), HasSubstr("there is no search"));
  Stop();
  EXPECT_TRUE((*storage::Store::Open(directory_))->ReadLogs(1, 1)->empty());
}

TEST_F(TaskLogsTest, OfManyCandidatesTheLatestAreKept) {
  Stop();
  options_.kept_logs = 50;
  Start();
  const std::string search = Create(RandomSpec("s", 300, 5));
  for (Tasks tasks = Lease("w", 50); !tasks.empty(); tasks = Lease("w", 50)) {
    std::vector<layernas::Report> reports;
    for (const LeasedTask& task : tasks) reports.push_back(Succeeded(task, "a log\n"));
    ASSERT_TRUE(Await<Verdicts>([&](auto reply) { engine_->CompleteTasks("w", reports, reply); }).ok());
  }
  std::size_t kept = 0;
  for (std::uint64_t number = 1; number <= 300; ++number) kept += Log(search, number).ok() ? 1 : 0;
  EXPECT_GE(kept, 50u);
  EXPECT_LE(kept, 150u);
  EXPECT_TRUE(Log(search, 300).ok()) << Log(search, 300).status();
  EXPECT_TRUE(Log(search, 251).ok()) << Log(search, 251).status();
  EXPECT_FALSE(Log(search, 1).ok());
}

TEST_F(TaskLogsTest, OfManyAttemptsTheLatestAreKept) {
  Stop();
  options_.kept_attempt_logs = 2;
  Start();
  v1::SearchSpec spec = RandomSpec("s", 1);
  spec.mutable_evaluation()->set_attempts(6);
  const std::string search = Create(spec);
  for (int i = 0; i < 5; ++i) {
    Pass(Millis{600'000});
    ReportWithLog(LeaseOne("w"), true, "attempt " + std::to_string(i + 1) + "\n");
  }
  const auto log = Log(search, 1);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_THAT(log->attempts, SizeIs(2));
  EXPECT_EQ(log->log.tail, "attempt 5\n");
}

TEST_F(TaskLogsTest, LogsOfOldAttemptsAreNotKept) {
  Stop();
  options_.kept_attempt_logs = 2;
  Start();
  const std::string search = Create(RandomSpec("s", 1));
  Tasks attempts;
  for (int i = 0; i < 6; ++i) {
    attempts.push_back(LeaseOne("w"));
    if (i < 5) Release("w", attempts.back().token);
  }
  // The newest first, so that none is older than a kept one.
  for (int i = 5; i-- > 0;) ReportWithLog(attempts[i], true, "a log\n");
  const auto log = Log(search, 1);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_THAT(log->attempts, ElementsAre(5));
}

}  // namespace
}  // namespace layernas
