// Brings searches that have something to hand out and workers that wait for it together, once per turn.
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

// For the engine's thread.
class Dispatcher {
 public:
  // How a search stands with one kind of task: the one table that dispatching, competition, computation of proposals
  // and gauges go by.
  struct Row {
    SearchEntry* entry = nullptr;
    core::TaskKind kind = core::TaskKind::kEvaluate;
    // Tasks that could be leased now, and that are.
    std::size_t ready = 0;
    std::size_t running = 0;
    // While polls are served: it has nothing more for any of them, or not for this one.
    bool exhausted = false;
    PollId held_back_from = 0;
    // Tasks for which its turn came while it had none ready. They count as running in the turns that follow.
    std::size_t reserved = 0;
    // Proposals to be computed.
    std::size_t wanted = 0;
    // Whatever more it has must be computed.
    bool awaits_work = false;

    // Another kind's tasks may leave less room than what is reserved.
    bool HasMore() const { return ready > reserved && !exhausted; }
    const PollBook::Requirements& require() const { return entry->search->RequireOf(kind); }
  };

  // `solver` computes proposals; `submit` brings a command into a turn to come, from any thread.
  Dispatcher(EngineState& state, Executor& solver, std::function<void(std::function<void()>)> submit)
      : state_(state), solver_(solver), submit_(std::move(submit)) {}

  // Answers the polls, oldest first, that there is work for; says which searches compete for the fleet from now on; has
  // proposals computed for the polls that are left. A poll waits for them where it is their search's turn, for two
  // seconds also if another search has tasks: computing takes a moment, and an evaluation takes long.
  void Run();

  // Cancels the computations that are under way.
  void CancelWork();

  // As the last Run() left it: of all searches that have not ended then.
  const std::vector<Row>& table() const { return table_; }

 private:
  void MakeTable();
  void Refresh(Row& row) const;
  void ServePolls();
  void Compete();
  void StartWork();
  // Forgets works that were given back, and cancels those of searches that have ended.
  void TidyWork();
  // Leases up to the poll's max_tasks; fewer where it is the turn of a search that has its next ones computed.
  std::vector<LeasedTask> TasksFor(const Poll& poll);
  // A poll waits for one of the row's tasks that are computed.
  static void Reserve(Row& row);
  // Returns, of the rows that the poll may take from, that of the search whose turn it is; null if there is none. For
  // an overdue poll without those whose tasks must be computed.
  Row* RowFor(const Poll& poll, bool overdue);
  // Gives the candidate, just leased, the result of another search's if there is one. True if it did.
  bool ReuseResult(SearchEntry& entry, const core::Candidate& candidate);

  EngineState& state_;
  Executor& solver_;
  const std::function<void(std::function<void()>)> submit_;
  std::vector<Row> table_;
  // By search; until it is given back.
  std::map<std::uint64_t, std::weak_ptr<core::BackgroundWork>> work_;
};

// The task of a candidate that is leased.
LeasedTask MakeTask(const EngineState& state, const SearchEntry& entry, const core::Candidate& candidate);

}  // namespace layernas
