#include "controller/engine/commit_pipeline.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/base/crash_point.h"
#include "common/log/log.h"

namespace layernas {

CommitPipeline::CommitPipeline(storage::Store& store, ControllerMetrics& metrics, const Clock& clock,
                               std::function<void()> written)
    : store_(store), metrics_(metrics), clock_(clock), written_(std::move(written)), thread_([this] { Run(); }) {}

CommitPipeline::~CommitPipeline() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
}

void CommitPipeline::Post(Turn turn) {
  {
    MutexLock lock(mutex_);
    waiting_.push_back(std::move(turn));
  }
  changed_.NotifyOne();
}

std::size_t CommitPipeline::unwritten() const {
  MutexLock lock(mutex_);
  return waiting_.size() + being_written_;
}

std::optional<SteadyTime> CommitPipeline::writing_since() const {
  MutexLock lock(mutex_);
  return being_written_ > 0 ? std::optional(writing_since_) : std::nullopt;
}

void CommitPipeline::Run() {
  while (true) {
    std::vector<Turn> turns;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) changed_.Wait(mutex_);
      if (waiting_.empty()) return;
      turns = std::exchange(waiting_, {});
      being_written_ = turns.size();
      writing_since_ = clock_.Now();
    }
    Write(turns);
    {
      MutexLock lock(mutex_);
      being_written_ = 0;
    }
    written_();
    auto answers = std::make_shared<std::vector<std::function<void()>>>();
    for (Turn& turn : turns) {
      std::move(turn.answers.begin(), turn.answers.end(), std::back_inserter(*answers));
    }
    if (answers->empty()) continue;
    answerer_.Post([answers] {
      for (const std::function<void()>& answer : *answers) {
        CrashPoint("before-reply");
        answer();
      }
    });
  }
}

void CommitPipeline::Write(std::vector<Turn>& turns) {
  std::vector<storage::Batch> batches;
  std::size_t commands = 0;
  for (Turn& turn : turns) {
    if (turn.batch.empty()) continue;
    batches.push_back(std::move(turn.batch));
    commands += turn.commands;
  }
  if (batches.empty()) return;
  const SteadyTime begin = clock_.Now();
  CrashPoint("before-write");
  const absl::Status written = store_.Commit(std::move(batches));
  CrashPoint("after-write");
  if (!written.ok()) {
    // No command of these turns was answered. The next start continues from the data on the disk.
    log::Error("cannot write, so the controller stops; remove the cause and start it again",
               {{"cause", std::string(written.message())}});
    log::Flush();
    std::_Exit(EXIT_FAILURE);
  }
  metrics_.commit_seconds.Observe(std::chrono::duration<double>(clock_.Now() - begin).count());
  metrics_.commit_commands.Observe(static_cast<double>(std::max<std::size_t>(commands, 1)));
}

}  // namespace layernas
