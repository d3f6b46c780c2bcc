// Matches searches that have something to hand out with workers that wait for it, once per turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "controller/engine/engine_state.h"
#include "controller/engine/executor.h"

namespace layernas {

// Use it only on the engine's thread.
class Dispatcher {
 public:
  // The state of one kind of task of a search. Dispatching, competition, computation of proposals
  // and gauges all use this table.
  struct Row {
    SearchEntry* entry = nullptr;
    core::TaskKind kind = core::TaskKind::kEvaluate;
    // Number of tasks that could be leased now, and number of leased tasks.
    std::size_t ready = 0;
    std::size_t running = 0;
    // While polls are served: whether it has no more tasks for any poll, and the poll that gets
    // none of its tasks.
    bool exhausted = false;
    PollId held_back_from = 0;
    // Tasks reserved because its turn came while it had none ready. They count as running when the
    // next turns of searches are decided.
    std::size_t reserved = 0;
    // Number of proposals to compute.
    std::size_t wanted = 0;
    // All its further tasks must be computed first.
    bool awaits_work = false;

    // `ready` may be below `reserved`, because tasks of another kind may have taken the room.
    bool HasMore() const { return ready > reserved && !exhausted; }
    const PollBook::Requirements& require() const { return entry->search->RequireOf(kind); }
  };

  // `solver` computes proposals. `submit` adds a command to a later turn; it may be called on any
  // thread.
  Dispatcher(EngineState& state, Executor& solver, std::function<void(std::function<void()>)> submit)
      : state_(state), solver_(solver), submit_(std::move(submit)) {}

  // Answers the polls that there is work for, oldest first. Sets the searches that compete for the
  // fleet from now on. Starts the computation of proposals for the remaining polls. A poll waits
  // for proposals if it is their search's turn. It does so for up to two seconds even if another
  // search has tasks, because a computation takes a moment and an evaluation takes long.
  void Run();

  // Cancels the computations in progress.
  void CancelWork();

  // The table after the last Run(): all searches that had not ended then.
  const std::vector<Row>& table() const { return table_; }

 private:
  void MakeTable();
  void Refresh(Row& row) const;
  void ServePolls();
  void Compete();
  void StartWork();
  // Forgets finished computations, and cancels those of ended searches.
  void TidyWork();
  // Leases up to the poll's max_tasks. Returns fewer if it is the turn of a search whose next tasks
  // are being computed.
  std::vector<LeasedTask> TasksFor(const Poll& poll);
  // Notes that a poll waits for one of the row's tasks that are being computed.
  static void Reserve(Row& row);
  // Returns the row of the search whose turn it is, of the rows that the poll may take from; null
  // if there is none. An overdue poll cannot take from rows whose tasks must be computed.
  Row* RowFor(const Poll& poll, bool overdue);
  // Gives the candidate, which has just been leased, the result of another search if there is one.
  // Returns whether it did.
  bool ReuseResult(SearchEntry& entry, const core::Candidate& candidate);

  EngineState& state_;
  Executor& solver_;
  const std::function<void(std::function<void()>)> submit_;
  std::vector<Row> table_;
  // Computations by search, until they are given back.
  std::map<std::uint64_t, std::weak_ptr<core::BackgroundWork>> work_;
};

// Makes the task of a leased candidate.
LeasedTask MakeTask(const EngineState& state, const SearchEntry& entry, const core::Candidate& candidate);

}  // namespace layernas
