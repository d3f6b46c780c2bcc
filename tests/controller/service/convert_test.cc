#include "controller/service/convert.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/spec/validate.h"
#include "tests/controller/support/specs.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;

TEST(Convert, StatesAreTheSameNumbers) {
  for (int state = 1; state <= 6; ++state) {
    const auto wire = static_cast<v1::CandidateState>(state);
    ASSERT_TRUE(FromWire(wire)) << state;
    EXPECT_EQ(ToWire(*FromWire(wire)), wire);
  }
  EXPECT_FALSE(FromWire(v1::CANDIDATE_STATE_UNSPECIFIED));
  EXPECT_FALSE(FromWire(static_cast<v1::CandidateState>(99)));
  for (int state = 1; state <= 5; ++state) {
    EXPECT_EQ(ToWire(static_cast<core::SearchState>(state)), static_cast<v1::SearchState>(state));
  }
}

TEST(Convert, Durations) {
  for (const std::int64_t ms : {0, 1, 999, 1000, 90'250, -1500}) {
    EXPECT_EQ(FromDuration(ToDuration(Millis{ms})), Millis{ms});
  }
  google::protobuf::Duration huge;
  huge.set_seconds(std::numeric_limits<std::int64_t>::max());
  huge.set_nanos(999'999'999);
  EXPECT_GT(FromDuration(huge), std::chrono::hours(24 * 365 * 99));
  huge.set_seconds(std::numeric_limits<std::int64_t>::min());
  EXPECT_LT(FromDuration(huge), Millis{0});
}

TEST(Convert, ACandidateWithEverything) {
  core::Candidate candidate;
  candidate.number = 7;
  candidate.architecture = {2, 0, 1};
  candidate.position = {2, 3};
  candidate.state = core::CandidateState::kSucceeded;
  candidate.attempt = 2;
  candidate.worker = "w";
  candidate.reward = 0.75;
  candidate.cost = 4.5;
  candidate.metrics = {{"accuracy", 0.75}, {"loss", 1.25}};
  candidate.failures = {{1, core::FailureKind::kWorkerLost, "v", "nothing was heard", 1'500}};
  candidate.created = 1'700'000'000'123;
  candidate.started = 1'700'000'001'000;
  candidate.ended = 1'700'000'002'999;
  const v1::SearchSpec spec = spec::WithDefaults(LayerNasSpec("s"));
  const v1::Candidate wire = ToWire(candidate, spec, "searches/s-1");
  EXPECT_EQ(wire.name(), "searches/s-1/candidates/7");
  EXPECT_EQ(wire.architecture().id(), "201");
  EXPECT_EQ(wire.architecture().layers(0).option(), "option2");
  EXPECT_EQ(wire.pass(), 2);
  EXPECT_EQ(wire.stage(), 3);
  EXPECT_EQ(wire.state(), v1::CANDIDATE_STATE_SUCCEEDED);
  EXPECT_EQ(wire.attempt(), 2);
  EXPECT_EQ(wire.worker(), "w");
  EXPECT_EQ(wire.reward(), 0.75);
  EXPECT_EQ(wire.cost(), 4.5);
  EXPECT_EQ(wire.metrics().at("loss"), 1.25);
  ASSERT_EQ(wire.failures_size(), 1);
  EXPECT_EQ(wire.failures(0).kind(), v1::FAILURE_KIND_WORKER_LOST);
  EXPECT_EQ(wire.failures(0).time().seconds(), 1);
  EXPECT_EQ(wire.failures(0).time().nanos(), 500'000'000);
  EXPECT_EQ(wire.create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(wire.create_time().nanos(), 123'000'000);
  EXPECT_TRUE(wire.has_start_time());
  EXPECT_EQ(wire.end_time().nanos(), 999'000'000);
  candidate.started = candidate.ended = 0;
  EXPECT_FALSE(ToWire(candidate, spec, "searches/s-1").has_start_time());
  EXPECT_FALSE(ToWire(candidate, spec, "searches/s-1").has_end_time());
}

TEST(Convert, ATwinNamesTheCandidateWhoseResultItHas) {
  core::Candidate candidate;
  candidate.number = 7;
  candidate.architecture = {0, 1};
  candidate.state = core::CandidateState::kSucceeded;
  candidate.twin_of = 3;
  EXPECT_EQ(ToWire(candidate, SpaceOf("s", 2, 2), "searches/s-1").reused_from(), "searches/s-1/candidates/3");
}

TEST(Convert, WhatComesAlongWithASearchIsBounded) {
  v1::SearchSpec spec = spec::WithDefaults(LayerNasSpec("s"));
  (*spec.mutable_space()->mutable_layers(0)->mutable_parameters()->mutable_fields())["note"].set_string_value(
      std::string(100'000, 'x'));
  SearchView view;
  view.name = "searches/s-1";
  for (int state = 1; state <= static_cast<int>(core::CandidateState::kStopped); ++state) {
    view.candidates[static_cast<core::CandidateState>(state)] = 0;
  }
  for (int i = 0; i < 10; ++i) {
    view.targets.push_back({1.0 + i, PointView{1, {2, 0, 1}, {}, {{"accuracy", 0.5}}}, std::nullopt});
  }
  for (int i = 0; i < 200; ++i) {
    WinnerView winner;
    winner.candidate = 1;
    winner.architecture = {2, 0, 1};
    winner.weights = {{{"weights/a.pt", std::string(64, 'a'), 7}, "w"}};
    view.winners.push_back(winner);
  }
  const v1::Search search = ToWire(view, spec);
  EXPECT_LT(search.ByteSizeLong(), 3u << 20);
  ASSERT_EQ(search.best_size(), 10);
  EXPECT_EQ(search.best(9).best().architecture().layers_size(), 3);
  EXPECT_EQ(search.best(9).best().metrics().at("accuracy"), 0.5);
  ASSERT_EQ(search.winners_size(), 200);
  // Ten architectures of 100,000 bytes for the targets leave room for five winners.
  EXPECT_EQ(search.winners(4).architecture().layers_size(), 3);
  EXPECT_EQ(search.winners(4).weights_size(), 1);
  for (int i = 5; i < 200; ++i) {
    EXPECT_EQ(search.winners(i).architecture().id(), "201");
    EXPECT_EQ(search.winners(i).architecture().layers_size(), 0);
    EXPECT_EQ(search.winners(i).weights_size(), 0);
  }
}

TEST(Convert, WorkersRoundTrip) {
  v1::WorkerInfo info;
  info.set_id("w");
  (*info.mutable_labels())["device"] = "gpu";
  info.set_slots(3);
  info.set_version("1.2");
  WorkerView view;
  view.info = FromWire(info, "caller");
  view.candidates = {"searches/s-1/candidates/1"};
  view.since_heard = Millis{2'250};
  const v1::WorkerStatus wire = ToWire(view);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(wire.info(), info)) << wire.DebugString();
  EXPECT_THAT(wire.candidates(), ElementsAre("searches/s-1/candidates/1"));
  EXPECT_EQ(FromDuration(wire.since_heard()), Millis{2'250});
}

TEST(Convert, Completions) {
  v1::Completion completion;
  completion.set_lease_token("1.2.3");
  (*completion.mutable_result()->mutable_metrics())["accuracy"] = 0.5;
  Report report = FromWire(completion);
  EXPECT_EQ(report.token, "1.2.3");
  ASSERT_TRUE(report.result);
  EXPECT_EQ(report.result->metrics, (core::Metrics{{"accuracy", 0.5}}));
  // A worker cannot report that it is lost.
  for (const auto& [wire, kind] : {std::pair(v1::FAILURE_KIND_INFEASIBLE, core::FailureKind::kInfeasible),
                                   std::pair(v1::FAILURE_KIND_EVALUATOR, core::FailureKind::kEvaluator),
                                   std::pair(v1::FAILURE_KIND_WORKER_LOST, core::FailureKind::kEvaluator),
                                   std::pair(v1::FAILURE_KIND_UNSPECIFIED, core::FailureKind::kEvaluator)}) {
    completion.mutable_failure()->set_kind(wire);
    completion.mutable_failure()->set_message("out of memory");
    report = FromWire(completion);
    EXPECT_FALSE(report.result);
    EXPECT_EQ(report.failure, kind);
    EXPECT_EQ(report.message, "out of memory");
  }
}

TEST(Convert, LongMessagesKeepTheirBeginningAndTheirEnd) {
  v1::Completion completion;
  completion.mutable_failure()->set_message(std::string(2000, 'x'));
  EXPECT_EQ(FromWire(completion).message.size(), 2000u);
  // Characters of two bytes, cut at an odd position.
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "ü";
  completion.mutable_failure()->set_message("exit code 1: " + text + "the end");
  const std::string message = FromWire(completion).message;
  EXPECT_LE(message.size(), 2000u);
  EXPECT_GT(message.size(), 1990u);
  EXPECT_TRUE(message.starts_with("exit code 1: ü")) << message.substr(0, 20);
  EXPECT_NE(message.find("ü…ü"), std::string::npos);
  EXPECT_TRUE(message.ends_with("the end"));
}

TEST(Convert, LogsAreBounded) {
  v1::Completion completion;
  (*completion.mutable_result()->mutable_metrics())["accuracy"] = 0.5;
  EXPECT_FALSE(FromWire(completion).log);
  completion.mutable_log()->set_omitted_bytes(7);
  EXPECT_FALSE(FromWire(completion).log) << "nothing of it is there";
  completion.mutable_log()->set_tail("a line\n");
  EXPECT_EQ(FromWire(completion).log, (storage::StoredLog{"", 0, "a line\n", 7}));

  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "ü";
  completion.mutable_log()->set_tail(text + "!");
  completion.mutable_log()->set_omitted_bytes(-1);
  const std::optional<storage::StoredLog> log = FromWire(completion).log;
  EXPECT_EQ(log->tail.size(), std::size_t{16 << 10} - 1);
  EXPECT_TRUE(log->tail.starts_with("ü"));
  EXPECT_EQ(log->omitted_bytes, 20'001 - (16 << 10) + 1);
}

}  // namespace
}  // namespace layernas
