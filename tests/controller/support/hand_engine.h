// An engine on a store in memory that a test runs in one thread. Work that it posts elsewhere runs
// at once.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "controller/engine/engine.h"
#include "controller/storage/memory_store.h"
#include "tests/controller/support/fake_clock.h"

namespace layernas {

class DirectExecutor final : public Executor {
 public:
  void Post(std::function<void()> work) override { work(); }
};

class DirectCommitter final : public Committer {
 public:
  explicit DirectCommitter(storage::Store& store) : store_(store) {}
  void Post(Turn turn) override {
    std::vector<storage::Batch> batches;
    batches.push_back(std::move(turn.batch));
    if (!store_.Commit(std::move(batches)).ok()) return;
    for (const std::function<void()>& answer : turn.answers) answer();
  }
  std::size_t unwritten() const override { return 0; }
  std::optional<SteadyTime> writing_since() const override { return writing_since_; }
  // Claims that a write is in progress since then, or that there is none.
  void Hang(std::optional<SteadyTime> since) { writing_since_ = since; }

 private:
  std::optional<SteadyTime> writing_since_;
  storage::Store& store_;
};

inline EngineThreads DirectThreads(storage::Store& store) {
  EngineThreads threads;
  threads.reader = std::make_unique<DirectExecutor>();
  threads.reclaimer = std::make_unique<DirectExecutor>();
  threads.committer = std::make_unique<DirectCommitter>(store);
  threads.solver = std::make_unique<DirectExecutor>();
  return threads;
}

// Takes turns until nothing is left to do at the present time.
inline void TakeTurns(Engine& engine) {
  do engine.TakeTurn();
  while (engine.HasCommands());
}

}  // namespace layernas
