// An engine on a real store, with a clock that the test sets.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/architecture_id.h"
#include "controller/engine/check.h"
#include "controller/engine/engine.h"
#include "controller/spec/core_config.h"
#include "tests/controller/support/awaited.h"
#include "tests/controller/support/fake_clock.h"
#include "tests/controller/support/specs.h"
#include "tests/controller/support/temp_dir.h"

namespace layernas {

using Tasks = std::vector<LeasedTask>;
using Verdicts = std::vector<core::CompletionVerdict>;

inline absl::StatusOr<core::SearchConfig> ParseStoredSpec(std::string_view spec) { return ToCoreConfig(spec); }

inline std::vector<LeaseToken> Tokens(const Tasks& tasks) {
  std::vector<LeaseToken> tokens;
  for (const LeasedTask& task : tasks) tokens.push_back(task.token);
  return tokens;
}

class EngineTest : public ::testing::Test {
 protected:
  static constexpr Millis kLease{30'000};
  static constexpr std::size_t kAll = 1'000'000;

  EngineTest() { Start(); }

  void Start() {
    auto store = storage::Store::Open(directory_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    metrics_ = std::make_unique<ControllerMetrics>();
    auto engine = Engine::Create(*store_, options_, ParseStoredSpec, *metrics_, clock_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }
  void Stop() {
    engine_.reset();
    store_.reset();
  }
  void Restart() {
    Stop();
    Start();
  }

  // Returns when the engine has done everything that it can do at the present time. One answer
  // means that its turn's commit is done, and the second one that the turn's other answers have
  // been given.
  void Settle() {
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(Await<std::vector<WorkerView>>([this](auto reply) { engine_->ListWorkers("", 1, reply); }).ok());
    }
  }
  void Pass(Millis time) {
    clock_.Pass(time);
    Settle();
  }

  absl::StatusOr<SearchView> TryCreate(const v1::SearchSpec& spec, const std::string& request_id = "") {
    return Await<SearchView>([&](auto reply) {
      engine_->CreateSearch(
          {spec.name(), spec.SerializeAsString(), *ToCoreConfig(spec.SerializeAsString()), request_id}, reply);
    });
  }
  // Returns its name.
  std::string Create(const v1::SearchSpec& spec) {
    const auto view = TryCreate(spec);
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? view->name : "";
  }
  absl::StatusOr<SearchView> Get(const std::string& name) {
    return Await<SearchView>([&](auto reply) { engine_->GetSearch(name, reply); });
  }
  absl::StatusOr<SearchView> Pause(const std::string& name) {
    return Await<SearchView>([&](auto reply) { engine_->PauseSearch(name, reply); });
  }
  absl::StatusOr<SearchView> Resume(const std::string& name) {
    return Await<SearchView>([&](auto reply) { engine_->ResumeSearch(name, reply); });
  }
  absl::StatusOr<SearchView> Cancel(const std::string& name) {
    return Await<SearchView>([&](auto reply) { engine_->CancelSearch(name, reply); });
  }
  absl::StatusOr<SearchView> Delete(const std::string& name) {
    return Await<SearchView>([&](auto reply) { engine_->DeleteSearch(name, reply); });
  }
  absl::StatusOr<CandidatePage> ListCandidates(const std::string& name, std::set<core::CandidateState> states = {},
                                               std::uint64_t after = 0, std::size_t limit = kAll) {
    return Await<CandidatePage>([&](auto reply) { engine_->ListCandidates(name, states, after, limit, reply); });
  }
  std::vector<core::Candidate> Candidates(const std::string& name) {
    const auto page = ListCandidates(name);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? page->page.items : std::vector<core::Candidate>();
  }
  core::Candidate Candidate(const std::string& name, std::uint64_t number) {
    const auto page = ListCandidates(name, {}, number - 1, 1);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() && !page->page.items.empty() ? page->page.items[0] : core::Candidate();
  }
  absl::StatusOr<ChangesView> ReadChanges(const std::string& name, std::uint64_t after, std::size_t limit = kAll) {
    return Await<ChangesView>([&](auto reply) { engine_->ReadChanges(name, after, limit, reply); });
  }

  std::vector<storage::StoredChange> Changes(const std::string& name) {
    const auto view = ReadChanges(name, 0);
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? view->changes : std::vector<storage::StoredChange>();
  }

  LeaseRequest Request(const std::string& worker, int max_tasks = 1, Millis wait = Millis{0}) {
    LeaseRequest request;
    request.worker.id = worker;
    request.worker.slots = max_tasks;
    request.max_tasks = max_tasks;
    request.request_id = worker + "-" + std::to_string(++requests_);
    request.deadline = clock_.Now() + wait;
    return request;
  }
  absl::StatusOr<Tasks> Lease(const LeaseRequest& request) {
    return Await<Tasks>([&](auto reply) { engine_->LeaseTasks(request, reply); });
  }
  // Does not wait: returns the tasks that are available now.
  Tasks Lease(const std::string& worker, int max_tasks = 1) {
    const auto tasks = Lease(Request(worker, max_tasks));
    EXPECT_TRUE(tasks.ok()) << tasks.status();
    return tasks.ok() ? *tasks : Tasks();
  }
  // Leases one task, which must be available.
  LeasedTask LeaseOne(const std::string& worker) {
    const Tasks tasks = Lease(worker);
    EXPECT_EQ(tasks.size(), 1u);
    return tasks.empty() ? LeasedTask() : tasks[0];
  }
  // Starts a poll that waits for a minute.
  Awaited<Tasks> Park(const LeaseRequest& request, Engine::PollId* id = nullptr) {
    Awaited<Tasks> awaited;
    const Engine::PollId poll = engine_->LeaseTasks(request, awaited.reply());
    if (id != nullptr) *id = poll;
    Settle();
    return awaited;
  }
  Awaited<Tasks> Park(const std::string& worker) { return Park(Request(worker, 1, Millis{60'000})); }

  // Returns a token of the search in this store. If there is no such search, the token belongs to
  // none.
  LeaseToken Token(std::uint64_t search, std::uint64_t number, int attempt) const {
    const auto searches = store_->LoadSearches();
    for (const storage::LoadedSearch& one : *searches) {
      if (one.search.id == search) return {search, number, attempt, TokenLineage(*store_->Lineage(), one.search)};
    }
    return {search, number, attempt, *store_->Lineage()};
  }

  core::CompletionVerdict Report(const std::string& worker, const LeaseToken& token,
                                 std::optional<core::Metrics> metrics,
                                 core::FailureKind failure = core::FailureKind::kEvaluator) {
    const auto verdicts = Await<Verdicts>([&](auto reply) {
      layernas::Report report;
      report.token = FormatLeaseToken(token);
      if (metrics) report.result = *metrics;
      report.failure = failure;
      report.message = "crashed";
      engine_->CompleteTasks(worker, {report}, reply);
    });
    EXPECT_TRUE(verdicts.ok()) << verdicts.status();
    return verdicts.ok() ? verdicts->at(0) : core::CompletionVerdict();
  }
  core::CompletionVerdict Complete(const std::string& worker, const LeasedTask& task) {
    return Report(worker, task.token, Evaluate(task.architecture));
  }
  std::vector<bool> HeartbeatWith(const std::string& worker, const std::vector<HeldLease>& leases) {
    const auto verdicts = Await<std::vector<LeaseVerdict>>([&](auto reply) {
      engine_->Heartbeat({worker, {}, 1, "test"}, leases, reply);
    });
    EXPECT_TRUE(verdicts.ok()) << verdicts.status();
    std::vector<bool> go_on;
    for (const LeaseVerdict& verdict : verdicts.value_or(std::vector<LeaseVerdict>())) {
      EXPECT_EQ(verdict.go_on, verdict.message.empty());
      go_on.push_back(verdict.go_on);
    }
    return go_on;
  }
  std::vector<bool> Heartbeat(const std::string& worker, const std::vector<std::string>& tokens) {
    std::vector<HeldLease> leases;
    for (const std::string& token : tokens) leases.push_back({token});
    return HeartbeatWith(worker, leases);
  }
  void Release(const std::string& worker, const LeaseToken& token) {
    EXPECT_TRUE(Await<bool>([&](auto reply) { engine_->ReleaseTasks(worker, {FormatLeaseToken(token)}, reply); }).ok());
  }
  // Leases and completes until nothing is left. Returns the number of tasks.
  int Finish(const std::string& worker = "w") {
    int done = 0;
    for (Tasks tasks = Lease(worker, 8); !tasks.empty(); tasks = Lease(worker, 8)) {
      for (const LeasedTask& task : tasks) {
        EXPECT_EQ(Complete(worker, task).status, core::CompletionVerdict::kAccepted);
        ++done;
      }
    }
    return done;
  }
  // Returns the result of --check.
  CheckReport Check() {
    const auto reader = storage::Store::OpenReadOnly(directory_);
    EXPECT_TRUE(reader.ok()) << reader.status();
    const auto report = CheckStore(**reader, ParseStoredSpec);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(CheckReport());
  }

  TempDir temp_;
  std::string directory_ = temp_.Path("data");
  EngineOptions options_{kLease, 10'000};
  FakeClock clock_;
  int requests_ = 0;
  std::unique_ptr<ControllerMetrics> metrics_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace layernas
