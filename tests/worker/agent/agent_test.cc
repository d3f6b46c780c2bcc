// Tests an agent with its threads.
#include "tests/worker/agent/agent_fixture.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

TEST_F(AgentTest, LeasesEvaluatesAndReports) {
  StartQuick();
  Hand({1, 2});
  AwaitCompletions(2);
  AwaitHeld({});
  Drain();
  EXPECT_THAT(CompletedTokens(), UnorderedElementsAre("lease-1", "lease-2"));
  EXPECT_THAT(ReleasedTokens(), IsEmpty());
  controller_.With([](State& state) {
    EXPECT_EQ(state.completions[0].result().metrics().at("accuracy"), 0.5);
    const v1::LeaseTasksRequest& request = state.leases.front();
    EXPECT_EQ(request.worker().id(), "worker-1");
    EXPECT_EQ(request.worker().labels().at("device"), "cpu");
    EXPECT_EQ(request.worker().slots(), 1);
    EXPECT_THAT(request.worker().version(), Not(IsEmpty()));
    EXPECT_THAT(request.worker().instance(), Not(IsEmpty()));
    EXPECT_EQ(state.heartbeats.front().worker().instance(), request.worker().instance());
    EXPECT_EQ(request.max_wait().seconds(), 60);
  });
  EXPECT_EQ(metrics_->succeeded.Value(), 2);
  EXPECT_EQ(metrics_->slots_busy.Value(), 0);
}

TEST_F(AgentTest, AsksForAsManyTasksAsSlotsAreFree) {
  StartGated(3);
  Hand({1, 2});
  gate_.AwaitEntered(2);
  controller_.Await("a request for the third slot",
                    [](const State& state) { return state.parked == 1 && state.leases.back().max_tasks() == 1; });
  EXPECT_EQ(metrics_->slots_busy.Value(), 2);
  Hand({3, 4});
  gate_.AwaitEntered(3);
  // All slots are busy, so the fourth task stays at the controller.
  controller_.Await("no request", [](const State& state) { return state.parked == 0; });
  controller_.With([](State& state) { EXPECT_EQ(state.tasks.size(), 1u); });
  gate_.Open();
  AwaitCompletions(4);
  EXPECT_THAT(CompletedTokens(), UnorderedElementsAre("lease-1", "lease-2", "lease-3", "lease-4"));
}

TEST_F(AgentTest, ALostAnswerIsAskedForAgainUnderTheSameRequestId) {
  controller_.With([](State& state) { state.lost_leases = 3; });
  Hand({1});
  StartQuick();
  AwaitCompletions(1);
  Hand({2});
  AwaitCompletions(2);
  Drain();
  EXPECT_EQ(evaluations_, 2);
  EXPECT_EQ(metrics_->rpc_retries.Value(), 3);
  controller_.With([](State& state) {
    ASSERT_GE(state.leases.size(), 5u);
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(state.leases[i].request_id(), state.leases[0].request_id()) << i;
    EXPECT_NE(state.leases[4].request_id(), state.leases[0].request_id());
  });
}

TEST_F(AgentTest, ATaskThatIsDeliveredTwiceIsDoneOnce) {
  StartGated(2);
  Hand({1});
  gate_.AwaitEntered(1);
  Hand({1, 2});
  gate_.AwaitEntered(2);
  gate_.Open();
  AwaitCompletions(2);
  Drain();
  EXPECT_THAT(CompletedTokens(), UnorderedElementsAre("lease-1", "lease-2"));
}

TEST_F(AgentTest, ResultsAreKeptWhileTheControllerIsAway) {
  controller_.With([](State& state) { state.failing_completes = 5; });
  StartQuick();
  Hand({1, 2});
  AwaitCompletions(2);
  Drain();
  EXPECT_THAT(CompletedTokens(), UnorderedElementsAre("lease-1", "lease-2"));
  EXPECT_GE(metrics_->rpc_retries.Value(), 5);
}

TEST_F(AgentTest, EvaluationsGoOnOverARestartOfTheController) {
  StartGated();
  Hand({1});
  gate_.AwaitEntered(1);
  controller_.Stop();
  // The result exists before the controller can be reached.
  gate_.Open();
  while (metrics_->succeeded.Value() < 1) std::this_thread::sleep_for(Millis(1));
  controller_.Restart();
  AwaitCompletions(1);
  EXPECT_THAT(CompletedTokens(), ElementsAre("lease-1"));
  Hand({2});
  AwaitCompletions(2);
}

// The controller may have leased the candidates of these results again, possibly to this worker.
TEST_F(AgentTest, AsksForNoTasksWhileResultsCannotBeDelivered) {
  StartGated();
  Hand({1});
  gate_.AwaitEntered(1);
  controller_.Stop();
  gate_.Open();
  while (metrics_->rpc_retries.Value() < 10) std::this_thread::sleep_for(Millis(1));
  controller_.With([](State& state) { state.failing_completes = 1'000'000; });
  controller_.Restart();
  const auto await_heartbeats = [this](std::size_t more) {
    const std::size_t seen = controller_.With([](State& state) { return state.heartbeats.size(); });
    controller_.Await("heartbeats", [&](const State& state) { return state.heartbeats.size() >= seen + more; });
  };
  await_heartbeats(3);
  const std::size_t asked = controller_.With([](State& state) { return state.leases.size(); });
  await_heartbeats(10);
  EXPECT_EQ(controller_.With([](State& state) { return state.leases.size(); }), asked);
  controller_.With([](State& state) { state.failing_completes = 0; });
  Hand({2});
  AwaitCompletions(2);
  EXPECT_THAT(CompletedTokens(), ElementsAre("lease-1", "lease-2"));
}

// The controller thought that the worker was lost, and leased the candidate to it again.
TEST_F(AgentTest, AnEvaluationGoesOnUnderANewLease) {
  StartGated(2);
  Hand({1});
  gate_.AwaitEntered(1);
  controller_.With([](State& state) {
    state.tasks.push_back(MakeTask(1));
    state.tasks.back().set_lease_token("lease-1-again");
  });
  AwaitHeld({"lease-1-again"});
  // The slot that was free for the task takes another one.
  Hand({2});
  gate_.AwaitEntered(2);
  gate_.Open();
  AwaitCompletions(2);
  Drain();
  EXPECT_THAT(CompletedTokens(), UnorderedElementsAre("lease-1-again", "lease-2"));
  EXPECT_EQ(metrics_->succeeded.Value(), 2);
}

TEST_F(AgentTest, HeartbeatsListWhatIsHeldWithItsProgress) {
  Start([this](const Evaluation&, std::stop_token stop, const std::function<void(const Progress&)>& on_progress) {
    on_progress({2, 5, 0.25});
    return gate_.Pass(std::move(stop), Accuracy(0.5));
  });
  // The worker sends a heartbeat before it has a lease.
  controller_.Await("the first heartbeat", [](const State& state) { return !state.heartbeats.empty(); });
  Hand({1});
  controller_.Await("progress", [](const State& state) {
    return Held(state) == std::vector<std::string>{"lease-1"} && state.heartbeats.back().leases(0).has_progress();
  });
  controller_.With([](State& state) {
    const v1::TaskProgress& progress = state.heartbeats.back().leases(0).progress();
    EXPECT_EQ(progress.epoch(), 2);
    EXPECT_EQ(progress.epochs(), 5);
    EXPECT_EQ(progress.reward(), 0.25);
  });
}

TEST_F(AgentTest, WhatItHasMeasuredItTrainsToo) {
  StartGated();
  gate_.Open();
  controller_.With([](State& state) {
    state.tasks.push_back(MakeTask(1));
    state.tasks.back().set_work(v1::WORK_MEASURE);
  });
  AwaitCompletions(1);
  controller_.With([](State& state) {
    state.tasks.push_back(MakeTask(1));
    state.tasks.back().set_lease_token("lease-1-to-train");
    state.tasks.back().set_work(v1::WORK_TRAIN);
    state.tasks.back().set_identity("store/x-1/1/train");
  });
  AwaitCompletions(2);
  EXPECT_THAT(CompletedTokens(), UnorderedElementsAre("lease-1", "lease-1-to-train"));
}

TEST_F(AgentTest, EpochsThatAreWaitedForAreToldAtOnce) {
  // After the first answer, only news can cause a heartbeat.
  options_.heartbeat_interval = Millis(3'600'000);
  controller_.With([](State& state) { state.heartbeat_interval = Millis(3'600'000); });
  Gate next_epoch;
  Start([&](const Evaluation&, std::stop_token stop, const std::function<void(const Progress&)>& on_progress) {
    on_progress({1, 5, 0.25});
    next_epoch.Pass(stop, Accuracy(0));
    on_progress({2, 5, 0.5});
    return gate_.Pass(std::move(stop), Accuracy(0.5));
  });
  controller_.With([](State& state) {
    state.tasks.push_back(MakeTask(1));
    state.tasks.back().set_report_epochs(true);
  });
  const auto await_epoch = [this](int epoch) {
    controller_.Await("the epoch", [epoch](const State& state) {
      return !state.heartbeats.empty() && !Held(state).empty() &&
             state.heartbeats.back().leases(0).progress().epoch() == epoch;
    });
  };
  await_epoch(1);
  controller_.With([](State& state) { state.cancel.insert("lease-1"); });
  next_epoch.Open();
  await_epoch(2);
  // The worker acts on the answer at once: the slot is free for another task.
  controller_.Await("the next request", [](const State& state) {
    return state.leases.back().request_id() != state.leases.front().request_id();
  });
  EXPECT_EQ(metrics_->cancelled.Value(), 1);
}

TEST_F(AgentTest, FailedHeartbeatsAreCountedAndMadeAgain) {
  controller_.With([](State& state) { state.failing_heartbeats = 3; });
  StartGated();
  Hand({1});
  controller_.Await("heartbeats", [](const State& state) { return state.heartbeats.size() >= 5; });
  EXPECT_EQ(metrics_->heartbeat_failures.Value(), 3);
}

TEST_F(AgentTest, AnIdleWorkerLeavesItToItsPolls) {
  options_.poll_wait = Millis(0);
  StartGated();
  Hand({1});
  controller_.Await("a heartbeat with the lease", [](const State& state) { return !Held(state).empty(); });
  gate_.Open();
  AwaitHeld({});
  const std::size_t heartbeats = controller_.With([](State& state) { return state.heartbeats.size(); });
  const std::size_t polls = controller_.With([](State& state) { return state.leases.size(); });
  // This takes many times the heartbeat interval.
  controller_.Await("polls", [polls](const State& state) { return state.leases.size() >= polls + 2; });
  EXPECT_EQ(controller_.With([](State& state) { return state.heartbeats.size(); }), heartbeats);
}

TEST_F(AgentTest, ACancelStopsTheEvaluationAndFreesTheSlot) {
  StartGated();
  Hand({1});
  gate_.AwaitEntered(1);
  controller_.With([](State& state) { state.cancel.insert("lease-1"); });
  AwaitHeld({});
  Hand({2});
  gate_.AwaitEntered(2);
  gate_.Open();
  AwaitCompletions(1);
  Drain();
  EXPECT_THAT(CompletedTokens(), ElementsAre("lease-2"));
  EXPECT_THAT(ReleasedTokens(), IsEmpty());
  EXPECT_EQ(metrics_->cancelled.Value(), 1);
}

TEST_F(AgentTest, ACancelReachesTheChildProcess) {
  Start([](int) {
    // Reports its process id as progress.
    const std::string script = R"(read -r request; echo '{"progress": {"epoch": '$$'}}'; sleep 1000)";
    return std::make_unique<ExecEvaluator>(ExecOptions{.argv = {"/bin/sh", "-c", script}, .environment = {}});
  });
  Hand({1});
  controller_.Await("the child", [](const State& state) {
    return !Held(state).empty() && state.heartbeats.back().leases(0).progress().epoch() > 0;
  });
  const pid_t child =
      controller_.With([](State& state) { return state.heartbeats.back().leases(0).progress().epoch(); });
  controller_.With([](State& state) { state.cancel.insert("lease-1"); });
  for (int i = 0; i < 6000 && kill(child, 0) == 0; ++i) std::this_thread::sleep_for(Millis(10));
  EXPECT_EQ(kill(child, 0), -1);
}

TEST_F(AgentTest, AResultThatIsCalledOffIsNotReported) {
  controller_.With([](State& state) {
    state.failing_completes = 1'000'000;
    state.cancel.insert("lease-1");
  });
  StartQuick();
  Hand({1});
  controller_.Await("the lease to be held, and then not any more", [](const State& state) {
    const auto holds = [](const v1::HeartbeatRequest& heartbeat) { return heartbeat.leases_size() > 0; };
    return std::any_of(state.heartbeats.begin(), state.heartbeats.end(), holds) && Held(state).empty();
  });
  controller_.With([](State& state) { state.failing_completes = 0; });
  Hand({2});
  AwaitCompletions(1);
  EXPECT_THAT(CompletedTokens(), ElementsAre("lease-2"));
}

TEST_F(AgentTest, ARefusedResultIsForgotten) {
  controller_.With([](State& state) {
    state.statuses = {{"lease-1", v1::COMPLETION_STATUS_REFUSED}, {"lease-2", v1::COMPLETION_STATUS_INVALID}};
  });
  StartQuick();
  Hand({1, 2, 3});
  AwaitCompletions(3);
  AwaitHeld({});
  Drain();
  EXPECT_THAT(CompletedTokens(), UnorderedElementsAre("lease-1", "lease-2", "lease-3"));
}

TEST_F(AgentTest, AResultWithoutAVerdictIsReportedAgain) {
  controller_.With([](State& state) { state.ignore_once.insert("lease-1"); });
  StartQuick();
  Hand({1});
  AwaitCompletions(2);
  AwaitHeld({});
  EXPECT_THAT(CompletedTokens(), ElementsAre("lease-1", "lease-1"));
}

TEST_F(AgentTest, FailuresAreReportedByKind) {
  Start([](const Evaluation& evaluation, std::stop_token, const auto&) -> EvaluationOutcome {
    return EvaluationFailure{
        evaluation.architecture_id == "1" ? EvaluationFailure::Kind::kInfeasible : EvaluationFailure::Kind::kEvaluator,
        "because " + evaluation.architecture_id};
  });
  Hand({1, 2});
  AwaitCompletions(2);
  Drain();
  controller_.With([](State& state) {
    for (const v1::Completion& completion : state.completions) {
      const bool first = completion.lease_token() == "lease-1";
      EXPECT_EQ(completion.failure().kind(), first ? v1::FAILURE_KIND_INFEASIBLE : v1::FAILURE_KIND_EVALUATOR);
      EXPECT_EQ(completion.failure().message(), first ? "because 1" : "because 2");
    }
  });
  EXPECT_EQ(metrics_->infeasible.Value(), 1);
  EXPECT_EQ(metrics_->failed.Value(), 1);
}

TEST_F(AgentTest, SaysOnceThatTheControllerIsAwayAndHowToNameAnother) {
  ASSERT_TRUE(log::Init("test", "info"));
  ::testing::internal::CaptureStderr();
  controller_.Stop();
  options_.drain_timeout = Millis(50);
  StartQuick();
  while (!metrics_ || metrics_->rpc_retries.Value() < 10) std::this_thread::sleep_for(Millis(1));
  controller_.Restart();
  controller_.Await("a heartbeat", [](const State& state) { return !state.heartbeats.empty(); });
  Drain();
  log::Flush();
  const std::string output = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(output, AllOf(HasSubstr("--controller or LAYERNAS_CONTROLLER"),
                            HasSubstr(controller_.address().ToString()), HasSubstr("the controller is back")));
  EXPECT_EQ(output.find("cannot reach"), output.rfind("cannot reach"));
}

}  // namespace
}  // namespace layernas
