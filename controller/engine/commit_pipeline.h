// What a turn of the engine leads to, in its order: first the write, then the answers that promise it.
#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "controller/engine/serial_executor.h"
#include "controller/metrics/metrics.h"
#include "controller/storage/store.h"

namespace layernas {

// The consequences of one turn.
struct Turn {
  storage::Batch batch;
  // Each is called once, after all that was handed over so far is durable.
  std::vector<std::function<void()>> answers;
  // How many commands it took; for the metrics.
  std::size_t commands = 0;
};

// Makes turns durable and then gives their answers, in order. Thread-safe.
class Committer {
 public:
  virtual ~Committer() = default;
  virtual void Post(Turn turn) = 0;
  // Turns handed over that are not written yet.
  virtual std::size_t unwritten() const = 0;
};

// Writes on a thread of its own, so that the engine decides on while the disk works; what has come in by the time that
// one write is done shares the next one (group commit). Answers on another. If a write fails the process ends.
//
// Thread-safe.
class CommitPipeline final : public Committer {
 public:
  // All must outlive it. `written` is called after each write; must not block.
  CommitPipeline(storage::Store& store, ControllerMetrics& metrics, const Clock& clock, std::function<void()> written);
  // Writes and answers what was handed over.
  ~CommitPipeline() override;
  CommitPipeline(const CommitPipeline&) = delete;
  CommitPipeline& operator=(const CommitPipeline&) = delete;

  void Post(Turn turn) override;
  std::size_t unwritten() const override;

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
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  SerialExecutor answerer_;
  std::thread thread_;
};

}  // namespace layernas
