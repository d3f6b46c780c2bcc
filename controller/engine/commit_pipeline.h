// Carries out the results of the engine's turns in order: first the write, then the answers that
// depend on it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "controller/engine/serial_executor.h"
#include "controller/metrics/metrics.h"
#include "controller/storage/store.h"

namespace layernas {

// The results of one turn.
struct Turn {
  storage::Batch batch;
  // Each is called once, after everything posted so far is durable.
  std::vector<std::function<void()>> answers;
  // Number of commands in the turn, for the metrics.
  std::size_t commands = 0;
};

// Makes turns durable, then gives their answers, in order. Thread-safe.
class Committer {
 public:
  virtual ~Committer() = default;
  virtual void Post(Turn turn) = 0;
  // Returns the number of posted turns that are not written yet.
  virtual std::size_t unwritten() const = 0;
  // Returns when the write in progress began; nothing if there is none.
  virtual std::optional<SteadyTime> writing_since() const = 0;
};

// Writes on its own thread, so the engine continues while the disk works. Turns that arrive during
// one write share the next one (group commit). Answers are given on another thread. If a write
// fails, the process exits.
//
// Thread-safe.
class CommitPipeline final : public Committer {
 public:
  // All arguments must outlive this object. `written` is called after each write and must not
  // block.
  CommitPipeline(storage::Store& store, ControllerMetrics& metrics, const Clock& clock, std::function<void()> written);
  // Writes and answers everything that was posted.
  ~CommitPipeline() override;
  CommitPipeline(const CommitPipeline&) = delete;
  CommitPipeline& operator=(const CommitPipeline&) = delete;

  void Post(Turn turn) override;
  std::size_t unwritten() const override;
  std::optional<SteadyTime> writing_since() const override;

 private:
  void Run();
  void Write(std::vector<Turn>& turns);

  storage::Store& store_;
  ControllerMetrics& metrics_;
  const Clock& clock_;
  const std::function<void()> written_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<Turn> waiting_ ABSL_GUARDED_BY(mutex_);
  std::size_t being_written_ ABSL_GUARDED_BY(mutex_) = 0;
  // When the latest write began.
  SteadyTime writing_since_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  SerialExecutor answerer_;
  std::thread thread_;
};

}  // namespace layernas
