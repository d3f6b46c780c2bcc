// The controller of a simulated world: a real engine on a store in memory, whose process can die at
// any moment.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/engine/engine.h"
#include "controller/service/worker_calls.h"
#include "controller/storage/memory_store.h"
#include "tests/simulation/book.h"
#include "tests/simulation/draw.h"
#include "tests/simulation/story.h"
#include "tests/simulation/timeline.h"

namespace layernas::simulation {

// The store outlives the processes. While none runs, `up()` is false and no function may be called.
class Controller {
 public:
  // Called when the process has died, together with all unanswered calls.
  using Died = std::function<void()>;

  Controller(std::uint64_t seed, Timeline& timeline, Story& story, Configs& configs, Died died);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // --- Processes

  // Starts a process on the current store.
  void Start();
  // Kills the process. Data that is not on disk is lost.
  void Kill();
  // Kills the process within its next commit, at a random point.
  void KillInCommit();
  // Sets whether the process may sometimes die after some of a turn's answers.
  void set_dies_between_answers(bool dies) { dies_between_answers_ = dies; }
  bool up() const { return engine_ != nullptr; }
  // The number of the current process; ascends with each start and death.
  std::uint64_t process() const { return process_; }
  Engine& engine() { return *engine_; }
  WorkerCalls& calls() { return *calls_; }
  // Call this after each call of the engine.
  void Nudge();
  // Sets the specs that the next processes cannot continue.
  void Refuse(std::set<std::string> specs) { refused_ = std::move(specs); }
  const std::set<std::string>& refused() const { return refused_; }

  // --- Its disk

  // No write ends within this time. A later call replaces an earlier one.
  void HangDisk(Millis duration);
  // Copies the store. A process must be running.
  void BackUp();
  bool HasBackup() const { return !backup_.empty(); }
  // Replaces the store with the latest backup or an empty store. No process may be running.
  void RestoreBackup();
  void UseEmptyStore();
  Book& book() { return book_; }
  // Returns what the tokens of a stored search must contain; 0 if there is no such search.
  std::uint64_t LineageOf(std::uint64_t search);

  // Sets the function that is called whenever the solver gets work.
  void set_solving(std::function<void()> solving) { solving_ = std::move(solving); }

 private:
  class HandExecutor;
  class HandCommitter;

  absl::StatusOr<core::SearchConfig> Parse(std::string_view spec);
  void TakeTurn();
  void Tick(std::uint64_t process);
  void Post(Turn turn);
  void Write(std::uint64_t process);
  void Answer(std::uint64_t process, std::vector<std::function<void()>> answers);
  // Runs the event unless the process has died by then.
  void InProcess(SteadyTime time, std::function<void()> event);

  Draw draw_;
  Timeline& timeline_;
  Story& story_;
  Configs& configs_;
  const Died died_;
  Book book_;

  std::unique_ptr<storage::MemoryStore> store_;
  // By search, for the current process.
  std::map<std::uint64_t, std::uint64_t> lineages_;
  std::string backup_;
  int backups_ = 0;
  std::vector<Book::Accepted> accepted_at_backup_;
  std::set<std::string> refused_;
  std::function<void()> solving_;

  // The number of the current process.
  std::uint64_t process_ = 0;
  bool dies_between_answers_ = false;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<WorkerCalls> calls_;
  bool turn_is_due_ = false;
  std::deque<Turn> unwritten_;
  SteadyTime unwritten_since_;
  SteadyTime disk_hangs_until_;
  bool write_is_due_ = false;
  SteadyTime answered_until_;
};

}  // namespace layernas::simulation
