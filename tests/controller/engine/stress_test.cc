#include <atomic>
#include <thread>

#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using core::CandidateState;
using core::CompletionVerdict;

// Eight workers work on one search at the same time, and cause all kinds of trouble.
class StressTest : public EngineTest {
 protected:
  static constexpr int kWorkers = 8;

  StressTest() {
    engine_.reset();
    // Real time, so that polls end. The leases last much longer than the test.
    options_.lease_duration = std::chrono::hours(1);
    auto engine = Engine::Create(*store_, options_, ParseStoredSpec, *metrics_, Clock::Real());
    EXPECT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  void Work(const std::string& name, int index) {
    const std::string worker = std::to_string(index);
    int repeated = 0;
    for (int turn = 0; !core::IsFinal(Get(name)->state); ++turn) {
      LeaseRequest request;
      request.worker.id = worker;
      request.max_tasks = 1 + turn % 3;
      request.request_id = std::to_string(turn);
      request.deadline = Clock::Real().Now() + Millis{20};
      Tasks tasks = *Lease(request);
      // A lost answer.
      if (!tasks.empty() && ++repeated % 5 == 0) tasks = *Lease(request);
      for (std::size_t i = 0; i < tasks.size(); ++i) {
        const LeasedTask& task = tasks[i];
        if ((turn + i) % 17 == 3) {
          Release(worker, task.token);
          continue;
        }
        if ((turn + i) % 23 == 5) {
          engine_->CancelPoll(static_cast<Engine::PollId>(turn));
          Heartbeat(worker, {FormatLeaseToken(task.token)});
        }
        const CompletionVerdict first = Complete(worker, task);
        EXPECT_EQ(first.status, CompletionVerdict::kAccepted) << first.message;
        accepted_ += first.status == CompletionVerdict::kAccepted ? 1 : 0;
        // Repeating is safe, but no other result replaces the first one.
        if ((turn + i) % 4 == 1) {
          EXPECT_EQ(Complete(worker, task).status, CompletionVerdict::kAccepted);
          EXPECT_EQ(Report(worker, task.token, core::Metrics{{"accuracy", 99}}).status, CompletionVerdict::kRefused);
        }
      }
    }
  }

  std::atomic<int> accepted_{0};
};

TEST_F(StressTest, EveryCandidateGetsExactlyOneResult) {
  v1::SearchSpec spec = LayerNasSpec("s", 10, 6);
  v1::LayerNas& layernas = *spec.mutable_strategy()->mutable_layernas();
  layernas.mutable_buckets()->set_count(20);
  layernas.set_replicas(2);
  const std::string name = Create(spec);
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kWorkers; ++i) threads.emplace_back([this, &name, i] { Work(name, i); });
  // Meanwhile a client keeps reading.
  std::thread watcher([&] {
    std::atomic<int> calls{0};
    const Engine::WatchId watch = engine_->Watch(1, [&calls] { ++calls; });
    std::uint64_t position = 0;
    while (!over) {
      const auto view = ReadChanges(name, position, 50);
      ASSERT_TRUE(view.ok()) << view.status();
      EXPECT_FALSE(view->gap);
      for (const storage::StoredChange& change : view->changes) EXPECT_EQ(change.sequence, ++position);
      ASSERT_TRUE(Await<Page<SearchView>>([this](auto reply) { engine_->ListSearches(~0ull, 10, reply); }).ok());
      ASSERT_TRUE(ListCandidates(name, {CandidateState::kSucceeded}, 0, 20).ok());
    }
    engine_->Unwatch(watch);
    EXPECT_GT(calls, 0);
  });
  for (std::thread& thread : threads) thread.join();
  over = true;
  watcher.join();

  const SearchView view = *Get(name);
  EXPECT_EQ(view.state, core::SearchState::kSucceeded) << view.state_reason;
  EXPECT_GT(view.trainings, 250);
  EXPECT_EQ(accepted_, view.trainings);
  EXPECT_EQ(view.candidates.at(CandidateState::kSucceeded), static_cast<std::size_t>(view.trainings));
  std::map<std::uint64_t, int> results;
  for (const storage::StoredChange& change : Changes(name)) {
    if (change.candidate && change.candidate->state == CandidateState::kSucceeded) ++results[change.candidate->number];
  }
  EXPECT_EQ(results.size(), static_cast<std::size_t>(view.trainings));
  for (const auto& [number, count] : results) EXPECT_EQ(count, 1) << number;
  for (const core::Candidate& candidate : Candidates(name)) {
    EXPECT_EQ(candidate.metrics, Evaluate(candidate.architecture));
  }
  const CheckReport report = Check();
  EXPECT_THAT(report.problems, ::testing::IsEmpty());
  EXPECT_EQ(report.tables, 11u);
}

}  // namespace
}  // namespace layernas
