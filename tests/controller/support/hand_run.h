// An engine for tests that depend on the order of events. Nothing runs concurrently.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/metrics/metrics.h"
#include "controller/spec/core_config.h"
#include "tests/controller/support/hand_engine.h"
#include "tests/controller/support/specs.h"

namespace layernas {

// Keeps the work that it gets until the test runs it.
class HeldExecutor final : public Executor {
 public:
  void Post(std::function<void()> work) override { held.push_back(std::move(work)); }

  std::vector<std::function<void()>> held;
};

// An engine that a test runs turn by turn. The test decides when to run computations.
class HandRun {
 public:
  explicit HandRun(const EngineOptions& options = {}) {
    auto solver = std::make_unique<HeldExecutor>();
    solver_ = solver.get();
    EngineThreads threads = DirectThreads(store_);
    threads.solver = std::move(solver);
    committer_ = static_cast<DirectCommitter*>(threads.committer.get());
    auto engine = Engine::CreateByHand(
        store_, options, [](std::string_view spec) { return ToCoreConfig(spec); }, metrics_, clock_,
        std::move(threads));
    EXPECT_TRUE(engine.ok());
    engine_ = *std::move(engine);
  }

  void Create(const v1::SearchSpec& spec) {
    engine_->CreateSearch({spec.name(), spec.SerializeAsString(), *ToCoreConfig(spec.SerializeAsString()), ""},
                          [](const auto& view) { EXPECT_TRUE(view.ok()); });
    TakeTurns(*engine_);
  }
  DirectCommitter& committer() { return *committer_; }
  // The tasks of the answer are added to given().
  void Park(const std::string& worker, int max_tasks) {
    LeaseRequest request;
    request.worker.id = worker;
    request.max_tasks = max_tasks;
    request.request_id = std::to_string(++requests_);
    request.deadline = clock_.Now() + std::chrono::hours(1);
    ++parked_;
    engine_->LeaseTasks(std::move(request), [this](const absl::StatusOr<std::vector<LeasedTask>>& tasks) {
      --parked_;
      if (tasks.ok()) given_.insert(given_.end(), tasks->begin(), tasks->end());
    });
    TakeTurns(*engine_);
  }
  // The worker must find a task that is ready.
  LeasedTask LeaseOne(const std::string& worker) {
    const std::size_t before = given_.size();
    Park(worker, 1);
    EXPECT_EQ(given_.size(), before + 1);
    return given_.back();
  }
  // Returns whether the worker should continue.
  bool Heartbeat(const std::string& worker, const LeasedTask& task) {
    bool go_on = false;
    engine_->Heartbeat({worker, {}, 1, "test"}, {{FormatLeaseToken(task.token)}},
                       [&go_on](const auto& verdicts) { go_on = verdicts->at(0).go_on; });
    TakeTurns(*engine_);
    return go_on;
  }
  void Complete(const std::string& worker, const LeasedTask& task) {
    Report(worker, task, Evaluate(task.architecture));
  }
  // nullopt: the attempt failed.
  void Report(const std::string& worker, const LeasedTask& task, std::optional<core::AttemptResult> result) {
    layernas::Report report;
    report.token = FormatLeaseToken(task.token);
    report.result = std::move(result);
    report.message = "crashed";
    engine_->CompleteTasks(worker, {report}, [](const auto&) {});
    TakeTurns(*engine_);
  }
  // Returns true if there was a computation to run.
  bool Compute() {
    if (solver_->held.empty()) return false;
    const auto work = std::move(solver_->held.front());
    solver_->held.erase(solver_->held.begin());
    work();
    TakeTurns(*engine_);
    return true;
  }
  // Gives out and completes, one by one, all candidates that need no computation.
  void BeginAll() {
    while (solver_->held.empty()) {
      Park("first", 1);
      if (given_.empty()) continue;
      Complete("first", given_.back());
      given_.clear();
    }
  }

  Engine& engine() { return *engine_; }
  FakeClock& clock() { return clock_; }
  const ControllerMetrics& metrics() const { return metrics_; }
  std::vector<LeasedTask>& given() { return given_; }
  int parked() const { return parked_; }

 private:
  storage::MemoryStore store_{1};
  FakeClock clock_;
  ControllerMetrics metrics_;
  DirectCommitter* committer_ = nullptr;
  HeldExecutor* solver_ = nullptr;
  std::unique_ptr<Engine> engine_;
  std::vector<LeasedTask> given_;
  int requests_ = 0;
  int parked_ = 0;
};

}  // namespace layernas
