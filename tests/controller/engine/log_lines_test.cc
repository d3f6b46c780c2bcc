// Log lines that workers can cause at will do not fill the log.
#include "common/log/log.h"
#include "controller/engine/names.h"
#include "controller/engine/worker_commands.h"
#include "tests/controller/engine/state_fixture.h"
#include "tests/controller/support/fake_clock.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class LogLinesTest : public StateTest {
 protected:
  LogLinesTest() {
    log::Init("engine-test", "warning");
    core::SearchConfig config = Config();
    config.space.layers.resize(8, config.space.layers[0]);
    config.initial_failures = 1'000'000;
    entry_ = &Add(config);
  }

  // Returns the token of a lease to an unknown worker.
  LeaseToken LeaseToAnother() {
    const core::Candidate& candidate = Lease(*entry_, "w" + std::to_string(++workers_));
    state_.leases.Set({entry_->id(), candidate.number}, candidate.worker, state_.now.steady + Millis{30'000});
    return {entry_->id(), candidate.number, candidate.attempt, state_.LineageOf(*entry_)};
  }
  void Fail(int times) {
    for (int i = 0; i < times; ++i) {
      Report report;
      report.token = FormatLeaseToken(LeaseToAnother());
      report.failure = core::FailureKind::kEvaluator;
      report.message = "crashed";
      commands_.CompleteTasks({"w" + std::to_string(workers_), ""}, {report}, [](const auto&) {});
    }
  }
  void Expire(int times) {
    for (int i = 0; i < times; ++i) LeaseToAnother();
    Pass(Millis{30'000});
    commands_.NoteSilence();
    commands_.EndShuns();
  }
  // Returns the lines with that text that `work` causes.
  static std::vector<std::string> LinesOf(const std::string& text, const std::function<void()>& work) {
    log::Flush();
    ::testing::internal::CaptureStderr();
    work();
    log::Flush();
    std::istringstream captured(::testing::internal::GetCapturedStderr());
    std::vector<std::string> lines;
    for (std::string line; std::getline(captured, line);) {
      if (line.find(text) != std::string::npos) lines.push_back(line);
    }
    return lines;
  }

  FakeClock clock_;
  WorkerCommands commands_{state_, clock_};
  SearchEntry* entry_ = nullptr;
  int workers_ = 0;
};

TEST_F(LogLinesTest, OfFailedAttempts) {
  EXPECT_THAT(LinesOf("attempt failed", [this] { Fail(300); }), SizeIs(100));
  clock_.Pass(Millis{9'999});
  EXPECT_THAT(LinesOf("attempt failed", [this] { Fail(1); }), SizeIs(0));
  clock_.Pass(Millis{1});
  const auto next = LinesOf("attempt failed", [this] { Fail(1); });
  ASSERT_THAT(next, SizeIs(1));
  EXPECT_THAT(next[0], AllOf(HasSubstr("why=crashed"), HasSubstr("left_out_before=201")));
  // All of them are counted.
  EXPECT_EQ(metrics_.AttemptsFailed(core::FailureKind::kEvaluator).Value(), 302);
}

TEST_F(LogLinesTest, OfLeasesThatExpire) {
  EXPECT_THAT(LinesOf("lease expired", [this] { Expire(300); }), SizeIs(100));
  clock_.Pass(Millis{10'000});
  const auto next = LinesOf("lease expired", [this] { Expire(1); });
  ASSERT_THAT(next, SizeIs(1));
  EXPECT_THAT(next[0], HasSubstr("left_out_before=200"));
  EXPECT_EQ(metrics_.lease_expirations.Value(), 301);
}

}  // namespace
}  // namespace layernas
