// Tests what an evaluator writes to the worker's log and to the candidate's log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "common/log/log.h"
#include "tests/worker/evaluator/exec_evaluator_fixture.h"
#include "worker/evaluator/exec_evaluator.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// Returns what is logged while `work` runs and the evaluator ends.
std::string Logged(std::unique_ptr<ExecEvaluator> evaluator, const std::function<void(ExecEvaluator&)>& work) {
  EXPECT_TRUE(log::Init("test", "info"));
  ::testing::internal::CaptureStderr();
  work(*evaluator);
  evaluator.reset();
  log::Flush();
  return ::testing::internal::GetCapturedStderr();
}

int CountOf(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST_F(ExecEvaluatorTest, OddProgressIsLeftOutAndSaidOnce) {
  const std::string logged = Logged(PerRequest(R"(echo '{"progress": {"epoch": 0.5, "reward": 0.1}}';
                                                  echo '{"progress": 7}';
                                                  echo '{"progress": {"epoch": 1.0, "reward": "good"}}'; )" +
                                               std::string(kAnswer)),
                                    [&](ExecEvaluator& evaluator) { EvaluateForPid(evaluator); });
  EXPECT_THAT(logged, HasSubstr("0.5"));
  EXPECT_EQ(CountOf(logged, "ignored unusable"), 1);
  ASSERT_EQ(progress_.size(), 3u);
  EXPECT_EQ(progress_[2].epoch, 1);
}

TEST_F(ExecEvaluatorTest, MetricsThatAreNotNumbersAreSaidOnce) {
  // Earlier unusable progress does not suppress this warning.
  const std::string logged = Logged(PerRequest(R"(echo '{"progress": {"epoch": 0.5, "reward": 0.1}}';
                    echo '{"result": {"metrics": {"pid": '$$', "spread": NaN, "ratio": null}}}')"),
                                    [&](ExecEvaluator& evaluator) { EvaluateForPid(evaluator); });
  EXPECT_THAT(logged, HasSubstr("0.5"));
  EXPECT_EQ(CountOf(logged, "metrics that are not numbers: ratio, spread"), 1);
}

// T22: an evaluator that floods the log.
TEST_F(ExecEvaluatorTest, TheLogOfATaskIsBounded) {
  const auto evaluate_twice = [&](ExecEvaluator& evaluator) {
    EvaluateForPid(evaluator);
    EvaluateForPid(evaluator);
  };
  const std::string lines = Logged(PerRequest("seq 1 1000 >&2; " + std::string(kAnswer)), evaluate_twice);
  EXPECT_THAT(lines, HasSubstr("says=200\n"));
  EXPECT_THAT(lines, Not(HasSubstr("says=201")));
  EXPECT_EQ(CountOf(lines, "800 further lines omitted"), 2);
  // 64 KiB contain eight lines of 8,000 bytes.
  const std::string bytes = Logged(
      PerRequest("i=0; while [ $i -lt 100 ]; do printf '%08000d\\n' 0 >&2; i=$((i+1)); done; " + std::string(kAnswer)),
      evaluate_twice);
  EXPECT_EQ(CountOf(bytes, "92 further lines omitted"), 2);
  EXPECT_GT(bytes.size(), 2u * 60'000);
  EXPECT_LT(bytes.size(), 2u * 70'000);
}

// Otherwise nobody would notice that a trainer answers late.
TEST_F(ExecEvaluatorTest, DroppedAnswersAreWarnedOf) {
  const std::string other =
      Logged(PerRequest(R"(echo '{"result": {"metrics": {"a": 1}}, "task": "another"}'; )" + std::string(kAnswer)),
             [&](ExecEvaluator& evaluator) { EvaluateForPid(evaluator); });
  EXPECT_THAT(other, AllOf(HasSubstr(" W test: ignored an answer of the evaluator to another task "),
                           HasSubstr("task=searches/x-1/candidates/3#1"), HasSubstr("another")));
  // The second request to a process that names its tasks.
  const std::string none = Logged(
      PerRequest("n=$((n+1)); if [ \"$n\" = 2 ]; then " + std::string(kAnswerOnly) + "; fi; " + std::string(kAnswer)),
      [&](ExecEvaluator& evaluator) {
        EvaluateForPid(evaluator);
        EvaluateForPid(evaluator);
      });
  EXPECT_THAT(none, AllOf(HasSubstr(" W test: ignored an answer of the evaluator that does not name its task"),
                          HasSubstr("task=searches/x-1/candidates/3#2")));
  // The first three of many lines.
  const std::string many = Logged(PerRequest("for i in 1 2 3 4 5; do echo banner $i; done; " + std::string(kAnswer)),
                                  [&](ExecEvaluator& evaluator) { EvaluateForPid(evaluator); });
  EXPECT_EQ(CountOf(many, "ignored a line of the evaluator that is not JSON"), 3);
}

TEST_F(ExecEvaluatorTest, StandardErrorGoesToTheLogWithTheTask) {
  EXPECT_THAT(Logged(PerRequest("echo loading data >&2; " + std::string(kAnswer)),
                     [&](ExecEvaluator& evaluator) { EvaluateForPid(evaluator); }),
              AllOf(HasSubstr("task=searches/x-1/candidates/3"), HasSubstr("says=\"loading data\"")));
}

std::string LogOf(const EvaluationOutcome& outcome) {
  if (const auto* result = std::get_if<EvaluationResult>(&outcome)) return result->log.tail;
  if (const auto* failure = std::get_if<EvaluationFailure>(&outcome)) return failure->log.tail;
  return "(no log)";
}

// Repeated many times, because a line that is written just before the answer could arrive too late.
TEST_F(ExecEvaluatorTest, TheLogIsOfTheTaskAndNoOther) {
  auto evaluator = PerRequest(std::string("n=$((n+1)); echo \"begin $n\" >&2; echo \"end $n\" >&2; ") + kAnswer);
  for (int i = 1; i <= 200; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(LogOf(Evaluate(*evaluator)), "begin " + n + "\nend " + n + "\n");
  }
}

// For example, a bar of progress ends without a line feed.
TEST_F(ExecEvaluatorTest, ALineWithoutALineFeedStaysWithItsTask) {
  auto evaluator = PerRequest(std::string("n=$((n+1)); echo \"begin $n\" >&2; printf \"end $n\" >&2; ") + kAnswer);
  for (int i = 1; i <= 50; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(LogOf(Evaluate(*evaluator)), "begin " + n + "\nend " + n + "\n");
  }
}

TEST_F(ExecEvaluatorTest, FailuresHaveTheirLogToo) {
  auto crashes = Script("read -r request; echo 'about to die' >&2; exit 3");
  EXPECT_EQ(LogOf(Evaluate(*crashes)), "about to die\n");
  auto hangs = Script("read -r request; echo 'about to hang' >&2; sleep 1000");
  EXPECT_EQ(LogOf(Evaluate(*hangs, kShort)), "about to hang\n");
  auto says_so =
      Script("read -r request; echo 'no way' >&2; echo '{\"failure\": {\"kind\": \"infeasible\"}}'; sleep 1000");
  EXPECT_EQ(LogOf(Evaluate(*says_so)), "no way\n");
}

TEST_F(ExecEvaluatorTest, OfALongLogTheEndIsKept) {
  auto evaluator =
      PerRequest(std::string("seq 1 200000 >&2; head -c 100000 /dev/urandom >&2; echo >&2; echo last >&2; ") + kAnswer);
  const EvaluationOutcome outcome = Evaluate(*evaluator);
  ASSERT_TRUE(std::holds_alternative<EvaluationResult>(outcome)) << Message(outcome);
  const EvaluatorLog& log = std::get<EvaluationResult>(outcome).log;
  EXPECT_THAT(log.tail, EndsWith("\nlast\n"));
  EXPECT_LE(log.tail.size(), std::size_t{16 << 10});
  EXPECT_GT(log.omitted_bytes, 1'200'000);
}

}  // namespace
}  // namespace layernas
