// An agent with a controller and an evaluator that a test decides.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "common/log/log.h"
#include "tests/worker/agent/fake_controller.h"
#include "worker/agent/agent.h"
#include "worker/evaluator/exec_evaluator.h"

namespace layernas {

using State = FakeController::State;

using EvaluateFunction =
    std::function<EvaluationOutcome(const Evaluation&, std::stop_token, const std::function<void(const Progress&)>&)>;

class FunctionEvaluator final : public Evaluator {
 public:
  explicit FunctionEvaluator(EvaluateFunction function) : function_(std::move(function)) {}
  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override {
    return function_(evaluation, std::move(stop), on_progress);
  }

 private:
  const EvaluateFunction function_;
};

EvaluationOutcome Accuracy(double value) { return Metrics{{"accuracy", value}}; }

// Evaluates until it is stopped, or until a test opens the gate.
class Gate {
 public:
  EvaluationOutcome Pass(std::stop_token stop, EvaluationOutcome outcome) {
    std::unique_lock lock(mutex_);
    ++entered_;
    changed_.notify_all();
    return changed_.wait(lock, stop, [this] { return open_; }) ? outcome : EvaluationCancelled{};
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitEntered(int count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return entered_ >= count; })) << count;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  int entered_ = 0;
  bool open_ = false;
};

v1::Task MakeTask(int number) {
  v1::Task task;
  task.set_lease_token("lease-" + std::to_string(number));
  task.set_candidate("searches/x-1/candidates/" + std::to_string(number));
  task.mutable_architecture()->set_id(std::to_string(number));
  task.mutable_timeout()->set_seconds(60);
  task.set_identity("store/x-1/" + std::to_string(number));
  return task;
}

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    options_.worker_id = "worker-1";
    options_.labels = {{"device", "cpu"}};
    options_.first_retry = Millis(5);
    options_.longest_retry = Millis(50);
  }
  ~AgentTest() override { Drain(); }

  void Start(EvaluatorFactory factory, int slots = 1) {
    options_.slots = slots;
    metrics_.emplace(registry_, slots, options_.labels);
    auto client = std::make_unique<ControllerClient>(
        v1::WorkerService::NewStub(rpc::MakeChannel(controller_.address())), controller_.address().ToString());
    agent_ = std::make_unique<Agent>(options_, std::move(client), std::move(factory), *metrics_);
    running_ = std::thread([this] { EXPECT_EQ(agent_->Run(), absl::OkStatus()); });
  }
  void Start(EvaluateFunction function, int slots = 1) {
    Start([function](int) { return std::make_unique<FunctionEvaluator>(function); }, slots);
  }
  // Evaluations end at once.
  void StartQuick() {
    Start([this](const Evaluation&, std::stop_token, const auto&) {
      ++evaluations_;
      return Accuracy(0.5);
    });
  }
  // Evaluations wait at the gate.
  void StartGated(int slots = 1) {
    Start([this](const Evaluation&, std::stop_token stop,
                 const auto&) { return gate_.Pass(std::move(stop), Accuracy(0.5)); },
          slots);
  }

  void Drain() {
    if (!running_.joinable()) return;
    agent_->Drain();
    running_.join();
  }

  void Hand(std::initializer_list<int> numbers) {
    controller_.With([&](State& state) {
      for (const int number : numbers) state.tasks.push_back(MakeTask(number));
    });
  }
  void AwaitCompletions(std::size_t count) {
    controller_.Await("completions", [count](const State& state) { return state.completions.size() >= count; });
  }
  std::vector<std::string> CompletedTokens() {
    return controller_.With([](State& state) {
      std::vector<std::string> tokens;
      for (const v1::Completion& completion : state.completions) tokens.push_back(completion.lease_token());
      return tokens;
    });
  }
  std::vector<std::string> ReleasedTokens() {
    return controller_.With([](State& state) { return state.released; });
  }
  // Returns the tokens in the last heartbeat.
  static std::vector<std::string> Held(const State& state) {
    std::vector<std::string> tokens;
    if (state.heartbeats.empty()) return tokens;
    for (const v1::HeldLease& lease : state.heartbeats.back().leases()) tokens.push_back(lease.lease_token());
    return tokens;
  }
  void AwaitHeld(const std::vector<std::string>& tokens) {
    controller_.Await("heartbeat",
                      [&](const State& state) { return !state.heartbeats.empty() && Held(state) == tokens; });
  }

  FakeController controller_;
  AgentOptions options_;
  prometheus::Registry registry_;
  std::optional<WorkerMetrics> metrics_;
  Gate gate_;
  std::atomic<int> evaluations_ = 0;
  std::unique_ptr<Agent> agent_;
  std::thread running_;
};

}  // namespace layernas
