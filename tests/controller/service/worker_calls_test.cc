// Tests what workers report, from the API through the engine to the disk and back: nothing is lost,
// and a bad part only affects itself.
#include "controller/service/worker_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/base/task_limits.h"
#include "controller/service/convert.h"
#include "controller/spec/core_config.h"
#include "tests/controller/support/hand_engine.h"
#include "tests/controller/support/specs.h"

namespace layernas {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using ::testing::ElementsAre;

v1::Completion GoodResult() {
  v1::Completion completion;
  completion.set_lease_token("1.2.3.4");
  completion.set_architecture("0123");
  v1::TaskResult& result = *completion.mutable_result();
  (*result.mutable_metrics())["accuracy"] = 0.5;
  result.mutable_weights()->set_path("/kept/w.pt");
  result.mutable_weights()->set_sha256(std::string(64, 'a'));
  result.mutable_weights()->set_bytes(0);
  completion.mutable_log()->set_tail("written");
  return completion;
}

TEST(ToHeldLease, LeavesOutRewardsThatNoFloatHolds) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double reward : {-1e39, 1e39, kNan, kInfinity, -kInfinity}) {
    v1::HeldLease wire;
    wire.set_lease_token("1.2.3.4");
    wire.mutable_progress()->set_epoch(4);
    wire.mutable_progress()->set_epochs(9);
    wire.mutable_progress()->set_reward(reward);
    for (int epoch = 1; epoch <= 3; ++epoch) {
      wire.add_curve()->set_epoch(epoch);
      wire.mutable_curve(epoch - 1)->set_reward(epoch == 2 ? static_cast<float>(reward) : 0.5f);
    }
    const HeldLease lease = ToHeldLease(wire);
    ASSERT_TRUE(lease.progress);
    EXPECT_EQ(lease.progress->epoch, 4);
    EXPECT_EQ(lease.progress->epochs, 9);
    EXPECT_FALSE(lease.progress->reward) << reward;
    EXPECT_EQ(lease.curve, (core::Curve{{1, 0.5f}, {3, 0.5f}})) << reward;
  }
}

TEST(ToHeldLease, TakesWhatIsGood) {
  v1::HeldLease wire;
  wire.set_lease_token("1.2.3.4");
  wire.mutable_progress()->set_epoch(1);
  wire.mutable_progress()->set_reward(-2);
  const HeldLease lease = ToHeldLease(wire);
  EXPECT_EQ(lease.token, "1.2.3.4");
  ASSERT_TRUE(lease.progress);
  EXPECT_EQ(lease.progress->reward, -2);
}

TEST(ToReport, TakesAGoodResult) {
  const Report report = ToReport(GoodResult());
  EXPECT_EQ(report.token, "1.2.3.4");
  EXPECT_EQ(report.architecture, "0123");
  EXPECT_FALSE(report.is_invalid);
  ASSERT_TRUE(report.result);
  EXPECT_EQ(report.result->metrics, (core::Metrics{{"accuracy", 0.5}}));
  EXPECT_THAT(report.result->weights, ElementsAre(core::WeightsFile{"/kept/w.pt", std::string(64, 'a'), 0}));
  ASSERT_TRUE(report.log);
  EXPECT_EQ(report.log->tail, "written");
}

TEST(ToReport, WhatIsAtTheLimitsIsTaken) {
  v1::Completion completion = GoodResult();
  v1::TaskResult& result = *completion.mutable_result();
  for (std::size_t i = 1; i < kMaxMetrics; ++i) (*result.mutable_metrics())["m" + std::to_string(i)] = 1;
  (*result.mutable_metrics()).erase("m1");
  (*result.mutable_metrics())[std::string(kMaxNameBytes, 'n')] = 1;
  result.mutable_weights()->set_path(std::string(kMaxWeightsPathBytes, 'p'));
  for (std::size_t i = 1; i <= kMaxCurvePoints; ++i) result.add_curve()->set_epoch(static_cast<int>(i));
  const Report report = ToReport(completion);
  EXPECT_FALSE(report.is_invalid) << report.message;
  ASSERT_TRUE(report.result);
  EXPECT_EQ(report.result->metrics.size(), kMaxMetrics);
  EXPECT_EQ(report.result->curve.size(), kMaxCurvePoints);
}

TEST(ToReport, ABadResultIsAFailureWithTheReason) {
  struct Bad {
    const char* why;
    std::function<void(v1::Completion&)> spoil;
  };
  const auto metric = [](const std::string& name) {
    return [name](v1::Completion& one) { (*one.mutable_result()->mutable_metrics())[name] = 1; };
  };
  const auto path = [](const std::string& text) {
    return [text](v1::Completion& one) { one.mutable_result()->mutable_weights()->set_path(text); };
  };
  const auto sha256 = [](const std::string& text) {
    return [text](v1::Completion& one) { one.mutable_result()->mutable_weights()->set_sha256(text); };
  };
  const std::vector<Bad> table = {
      {"the report has neither a result nor a failure", [](v1::Completion& one) { one.clear_result(); }},
      {"the result has 257 metrics; the maximum is 256",
       [](v1::Completion& one) {
         for (int i = 0; i < 256; ++i) (*one.mutable_result()->mutable_metrics())["m" + std::to_string(i)] = 1;
       }},
      {"the name of a metric of the result must not be empty", metric("")},
      {"the name of a metric of the result has 101 bytes; the maximum is 100", metric(std::string(101, 'n'))},
      {"the name of a metric of the result must not hold control characters", metric("a\nb")},
      {"the name of a metric of the result must not hold control characters", metric("a\x7f")},
      {"the path of the weights must be 1 to 4096 bytes without control characters", path("")},
      {"the path of the weights must be 1 to 4096 bytes without control characters", path(std::string(4097, 'p'))},
      {"the path of the weights must be 1 to 4096 bytes without control characters", path("a\tb")},
      {"the sha256 of the weights must be 64 hexadecimal digits in lower case", sha256("")},
      {"the sha256 of the weights must be 64 hexadecimal digits in lower case", sha256(std::string(63, 'a'))},
      {"the sha256 of the weights must be 64 hexadecimal digits in lower case", sha256(std::string(65, 'a'))},
      {"the sha256 of the weights must be 64 hexadecimal digits in lower case", sha256(std::string(64, 'A'))},
      {"the sha256 of the weights must be 64 hexadecimal digits in lower case", sha256(std::string(64, 'g'))},
      {"the bytes of the weights must not be negative",
       [](v1::Completion& one) { one.mutable_result()->mutable_weights()->set_bytes(-1); }},
  };
  for (const Bad& bad : table) {
    v1::Completion completion = GoodResult();
    bad.spoil(completion);
    const Report report = ToReport(completion);
    EXPECT_FALSE(report.result) << bad.why;
    EXPECT_TRUE(report.is_invalid) << bad.why;
    EXPECT_EQ(report.failure, core::FailureKind::kEvaluator);
    EXPECT_EQ(report.message, bad.why);
    // The subject of the report and the evaluator's output are still known.
    EXPECT_EQ(report.token, "1.2.3.4");
    EXPECT_EQ(report.architecture, "0123");
    EXPECT_TRUE(report.log);
  }
}

TEST(ToReport, LeavesOutTheUnusablePointsOfACurve) {
  v1::Completion completion = GoodResult();
  const auto add = [&completion](int epoch, float reward) {
    v1::CurvePoint& point = *completion.mutable_result()->add_curve();
    point.set_epoch(epoch);
    point.set_reward(reward);
  };
  add(0, 1);
  add(-1, 1);
  add(2, 0.25);
  add(2, 0.5);
  add(1, 0.5);
  add(3, std::numeric_limits<float>::quiet_NaN());
  add(4, std::numeric_limits<float>::infinity());
  add(7, 0.75);
  EXPECT_THAT(ToReport(completion).result->curve, ElementsAre(core::CurvePoint{2, 0.25}, core::CurvePoint{7, 0.75}));
  for (int i = 0; i < 2000; ++i) add(8 + i, 1);
  EXPECT_EQ(ToReport(completion).result->curve.size(), kMaxCurvePoints);
}

TEST(ToReport, AFailureOfAnyKind) {
  v1::Completion completion;
  completion.set_lease_token("1.2.3.4");
  completion.mutable_failure()->set_message("why");
  for (const auto& [wire, kind] : {std::pair(v1::FAILURE_KIND_INFEASIBLE, core::FailureKind::kInfeasible),
                                   std::pair(v1::FAILURE_KIND_EVALUATOR, core::FailureKind::kEvaluator),
                                   std::pair(v1::FAILURE_KIND_UNSPECIFIED, core::FailureKind::kEvaluator),
                                   std::pair(v1::FAILURE_KIND_WORKER_LOST, core::FailureKind::kEvaluator)}) {
    completion.mutable_failure()->set_kind(wire);
    const Report report = ToReport(completion);
    EXPECT_FALSE(report.result);
    EXPECT_FALSE(report.is_invalid);
    EXPECT_EQ(report.failure, kind);
    EXPECT_EQ(report.message, "why");
    EXPECT_FALSE(report.log);
  }
  completion.mutable_failure()->set_message("begins" + std::string(10'000, '.') + "ends");
  const Report report = ToReport(completion);
  EXPECT_LE(report.message.size(), kMaxKeptMessageBytes);
  EXPECT_THAT(report.message, ::testing::AllOf(::testing::StartsWith("begins"), ::testing::EndsWith("ends")));
}

TEST(ToReport, ATokenThatNobodyGaveOutStandsForNone) {
  for (const std::string& token : {std::string(), std::string(101, '1'), std::string("1.2\n.3")}) {
    v1::Completion completion = GoodResult();
    completion.set_lease_token(token);
    EXPECT_EQ(ToReport(completion).token, "");
  }
}

TEST(ToReport, KeepsTheEndOfALongLog) {
  v1::Completion completion = GoodResult();
  completion.mutable_log()->set_tail(std::string(100, 'x') + std::string(kMaxLogBytes, 'y'));
  completion.mutable_log()->set_omitted_bytes(7);
  const Report report = ToReport(completion);
  EXPECT_EQ(report.log->tail, std::string(kMaxLogBytes, 'y'));
  EXPECT_EQ(report.log->omitted_bytes, 107);
  completion.mutable_log()->set_omitted_bytes(-5);
  EXPECT_EQ(ToReport(completion).log->omitted_bytes, 100);
  completion.mutable_log()->clear_tail();
  EXPECT_FALSE(ToReport(completion).log);
}

// Gives every field a distinct value that the controller accepts unchanged; repeated fields get
// two.
class Filler {
 public:
  // Only fills the field `outcome` of `Completion.outcome`.
  explicit Filler(std::string outcome) : outcome_(std::move(outcome)) {}

  void Fill(Message& message) {
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message.GetDescriptor()->field(i);
      if (field->real_containing_oneof() != nullptr && field->name() != outcome_) continue;
      if (field->is_map()) {
        ASSERT_EQ(field->full_name(), "layernas.v1.TaskResult.metrics") << "extend this test";
        auto& metrics = *static_cast<v1::TaskResult&>(message).mutable_metrics();
        metrics["accuracy"] = ++next_ + 0.5;
        metrics["another"] = ++next_ + 0.5;
      } else if (field->is_repeated()) {
        ASSERT_EQ(field->cpp_type(), FieldDescriptor::CPPTYPE_MESSAGE) << field->full_name() << ": extend this test";
        for (int element = 0; element < 2; ++element) Fill(*reflection.AddMessage(&message, field));
      } else {
        Set(message, field);
      }
    }
  }

 private:
  void Set(Message& message, const FieldDescriptor* field) {
    const Reflection& reflection = *message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.SetInt32(&message, field, ++next_);
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetInt64(&message, field, ++next_);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.SetFloat(&message, field, static_cast<float>(++next_) + 0.5f);
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetString(
            &message, field, field->name() == "sha256" ? std::string(64, 'b') : "text " + std::to_string(++next_));
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection.SetEnumValue(&message, field, v1::FAILURE_KIND_EVALUATOR);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*reflection.MutableMessage(&message, field));
      default:
        FAIL() << field->full_name() << ": extend this test";
    }
  }

  const std::string outcome_;
  int next_ = 0;
};

// Checks that every field of `from` is a field of `to` with the same name and content.
void ExpectFoundIn(const Message& to, const Message& from) {
  const auto only = [](const Message& message, const std::string& name) {
    // The message with all other fields cleared, as text.
    std::unique_ptr<Message> copy(message.New());
    copy->CopyFrom(message);
    std::vector<const FieldDescriptor*> fields;
    copy->GetReflection()->ListFields(*copy, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->name() != name) copy->GetReflection()->ClearField(copy.get(), field);
    }
    return copy->Utf8DebugString();
  };
  for (int i = 0; i < from.GetDescriptor()->field_count(); ++i) {
    const std::string& name = from.GetDescriptor()->field(i)->name();
    ASSERT_NE(to.GetDescriptor()->FindFieldByName(name), nullptr)
        << to.GetDescriptor()->full_name() << " lacks " << name << " of " << from.GetDescriptor()->full_name();
    EXPECT_NE(only(from, name), "") << name << " was not filled";
    EXPECT_EQ(only(to, name), only(from, name));
  }
}

class EveryField : public ::testing::Test {
 protected:
  EveryField() { Start(); }

  void Start() {
    auto engine = Engine::CreateByHand(
        store_, {}, [](std::string_view spec) { return ToCoreConfig(spec); }, metrics_, clock_, DirectThreads(store_));
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  // Creates a search, and reports a completion of its first candidate with all fields filled.
  // Returns the completion.
  v1::Completion Report(const std::string& outcome) {
    const v1::SearchSpec spec = RandomSpec("s", 5);
    engine_->CreateSearch({"s", spec.SerializeAsString(), *ToCoreConfig(spec.SerializeAsString()), ""},
                          [](const absl::StatusOr<SearchView>& view) { EXPECT_TRUE(view.ok()); });
    TakeTurns(*engine_);
    WorkerCalls calls(*engine_, clock_);
    v1::LeaseTasksRequest lease;
    lease.mutable_worker()->set_id("the worker");
    lease.set_max_tasks(1);
    lease.set_request_id("r");
    v1::LeaseTasksResponse leased;
    calls.LeaseTasks(lease, "caller", Millis{10'000}, [&leased](const absl::StatusOr<std::string>& answer) {
      ASSERT_TRUE(answer.ok()) << answer.status();
      leased.ParseFromString(*answer);
    });
    TakeTurns(*engine_);
    v1::CompleteTasksRequest request;
    request.set_worker_id("the worker");
    v1::Completion& completion = *request.add_completions();
    EXPECT_EQ(leased.tasks_size(), 1);
    if (leased.tasks_size() != 1) return completion;
    Filler(outcome).Fill(completion);
    // Set the values that the report needs to be accepted.
    completion.set_lease_token(leased.tasks(0).lease_token());
    completion.set_architecture(leased.tasks(0).architecture().id());
    v1::CompleteTasksResponse response;
    calls.CompleteTasks(request, response, [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
    TakeTurns(*engine_);
    EXPECT_EQ(response.verdicts_size(), 1);
    EXPECT_EQ(response.verdicts(0).status(), v1::COMPLETION_STATUS_ACCEPTED) << response.verdicts(0).message();
    EXPECT_EQ(response.verdicts(0).lease_token(), completion.lease_token());
    return completion;
  }

  // Returns the candidate as users see it.
  v1::Candidate Candidate() {
    v1::Candidate wire;
    engine_->ListCandidates("searches/s-1", {}, 0, 1, [&wire](const absl::StatusOr<CandidatePage>& page) {
      ASSERT_TRUE(page.ok()) << page.status();
      wire = ToWire(page->page.items.at(0), ParseSpec(*page->search.spec), page->search.name);
    });
    TakeTurns(*engine_);
    return wire;
  }
  v1::GetTaskLogResponse Log() {
    v1::GetTaskLogResponse wire;
    engine_->GetTaskLog("searches/s-1/candidates/1", 0, [&wire](const absl::StatusOr<TaskLogView>& view) {
      ASSERT_TRUE(view.ok()) << view.status();
      Fill(*view, wire);
    });
    TakeTurns(*engine_);
    return wire;
  }

  void ExpectCompletionIsShown(const v1::Completion& completion) {
    const v1::Candidate candidate = Candidate();
    EXPECT_EQ(candidate.architecture().id(), completion.architecture());
    const v1::GetTaskLogResponse log = Log();
    EXPECT_EQ(log.worker(), "the worker");
    ExpectFoundIn(log.log(), completion.log());
    for (int i = 0; i < completion.GetDescriptor()->field_count(); ++i) {
      const std::string& name = completion.GetDescriptor()->field(i)->name();
      // The fields that this test checks.
      ASSERT_THAT(name, ::testing::AnyOf("lease_token", "result", "failure", "log", "architecture"))
          << "extend this test";
    }
    if (completion.has_result()) {
      v1::TaskResult expected = completion.result();
      // The controller adds the worker that has them.
      expected.mutable_weights()->set_worker("the worker");
      ExpectFoundIn(candidate, expected);
      EXPECT_EQ(candidate.worker(), "the worker");
      EXPECT_EQ(candidate.state(), v1::CANDIDATE_STATE_SUCCEEDED);
    } else {
      ASSERT_EQ(candidate.failures_size(), 1);
      ExpectFoundIn(candidate.failures(0), completion.failure());
      EXPECT_EQ(candidate.failures(0).worker(), "the worker");
    }
  }

  FakeClock clock_;
  ControllerMetrics metrics_;
  storage::MemoryStore store_{1};
  std::unique_ptr<Engine> engine_;
};

TEST_F(EveryField, OfAResultIsFoundAgainAlsoAfterARestart) {
  const v1::Completion completion = Report("result");
  ExpectCompletionIsShown(completion);
  engine_.reset();
  Start();
  ExpectCompletionIsShown(completion);
}

TEST_F(EveryField, OfAFailureIsFoundAgainAlsoAfterARestart) {
  const v1::Completion completion = Report("failure");
  ExpectCompletionIsShown(completion);
  engine_.reset();
  Start();
  ExpectCompletionIsShown(completion);
}

}  // namespace
}  // namespace layernas
