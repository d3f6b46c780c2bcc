// What people ask of the engine: to make, change, read and remove searches.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "controller/engine/engine_state.h"
#include "controller/engine/executor.h"

namespace layernas {

// For the engine's thread. As Engine's calls of the same names.
class SearchCommands {
 public:
  // `reader` reads from the store what is not in memory; `reclaimer` gives the disk back what is deleted.
  SearchCommands(EngineState& state, Executor& reader, Executor& reclaimer)
      : state_(state),
        reader_(reader),
        reclaimer_(reclaimer),
        too_many_searches_(state.metrics.CallsRefused("too_many_searches")),
        too_large_specs_(state.metrics.CallsRefused("too_large_specs")) {}

  void Create(const NewSearch& search, const Reply<SearchView>& reply);
  void Get(const std::string& name, const Reply<SearchView>& reply);
  void List(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply);
  // `change` is done to a search that this version can go on with; the answer is the search after this turn.
  void Change(const std::string& name, const Reply<SearchView>& reply,
              const std::function<absl::Status(core::Search&)>& change);
  void Delete(const std::string& name, const Reply<SearchView>& reply);
  void ListCandidates(const std::string& name, std::set<core::CandidateState> states, std::uint64_t after,
                      std::size_t limit, Reply<CandidatePage> reply);
  void GetTaskLog(const std::string& candidate, int attempt, Reply<TaskLogView> reply);
  void GetFrontier(const std::string& name, double above, std::size_t limit, const Reply<FrontierView>& reply);
  void GetBuckets(const std::string& name, core::Position position, const Reply<BucketsView>& reply);
  void ReadChanges(const std::string& name, std::uint64_t after, std::size_t limit, Reply<ChangesView> reply);

  // To be called once per turn: ends searches whose time is up, removes what has been kept for long enough.
  // `clock_ahead`: by how much the machine's clock was set ahead since the engine started.
  void RunTimers(Millis clock_ahead);

 private:
  // RESOURCE_EXHAUSTED if its owner has too much for one more.
  absl::Status CheckQuotas(const NewSearch& search);
  // As SearchBook::Find(), but FAILED_PRECONDITION for a search that this version cannot go on with.
  absl::StatusOr<SearchEntry*> FindUsable(const std::string& name);
  void AnswerWithView(const Reply<SearchView>& reply, std::uint64_t id);
  // Calls `read` with the search's view after this turn on the reader, once that is written.
  template <typename T>
  void Read(const std::string& name, Reply<T> reply,
            std::function<absl::StatusOr<T>(std::uint64_t id, SearchView view)> read);
  void DeleteOldSearches(Millis clock_ahead);
  // Removes an ended search and all its data.
  void Remove(SearchEntry& entry);

  EngineState& state_;
  Executor& reader_;
  Executor& reclaimer_;
  prometheus::Counter& too_many_searches_;
  prometheus::Counter& too_large_specs_;
  SteadyTime old_searches_due_;
};

}  // namespace layernas
