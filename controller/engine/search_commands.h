// Commands of users: create, change, read and delete searches.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "controller/engine/engine_state.h"
#include "controller/engine/executor.h"

namespace layernas {

// Use it only on the engine's thread. The functions implement the calls of Engine with the same
// names.
class SearchCommands {
 public:
  // `reader` reads from the store what is not in memory. `reclaimer` frees the disk space of
  // deleted data.
  SearchCommands(EngineState& state, Executor& reader, Executor& reclaimer)
      : state_(state),
        reader_(reader),
        reclaimer_(reclaimer),
        too_many_searches_(state.metrics.CallsRefused("too_many_searches")),
        too_large_specs_(state.metrics.CallsRefused("too_large_specs")) {}

  void Create(const NewSearch& search, const Reply<SearchView>& reply);
  void Get(const std::string& name, const Reply<SearchView>& reply);
  void List(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply);
  // Applies `change` to a search that this version can continue. The answer is the search after
  // this turn.
  void Change(const std::string& name, const Reply<SearchView>& reply,
              const std::function<absl::Status(core::Search&)>& change);
  void Delete(const std::string& name, const Reply<SearchView>& reply);
  void ListCandidates(const std::string& name, std::set<core::CandidateState> states, std::uint64_t after,
                      std::size_t limit, Reply<CandidatePage> reply);
  void GetTaskLog(const std::string& candidate, int attempt, Reply<TaskLogView> reply);
  void GetFrontier(const std::string& name, double above, std::size_t limit, const Reply<FrontierView>& reply);
  void GetBuckets(const std::string& name, core::Position position, const Reply<BucketsView>& reply);
  void ReadChanges(const std::string& name, std::uint64_t after, std::size_t limit, Reply<ChangesView> reply);

  // Call it once per turn: ends searches whose time is up, and deletes searches whose retention has
  // passed.
  void RunTimers();

 private:
  // Returns RESOURCE_EXHAUSTED if the owner may not have another search.
  absl::Status CheckQuotas(const NewSearch& search);
  // Like SearchBook::Find(), but returns FAILED_PRECONDITION for a search that this version cannot
  // continue.
  absl::StatusOr<SearchEntry*> FindUsable(const std::string& name);
  void AnswerWithView(const Reply<SearchView>& reply, std::uint64_t id);
  // Calls `read` on the reader with the search's view after this turn, after the turn is written.
  template <typename T>
  void Read(const std::string& name, Reply<T> reply,
            std::function<absl::StatusOr<T>(std::uint64_t id, SearchView view)> read);
  void DeleteOldSearches();
  // Deletes an ended search and all its data.
  void Remove(SearchEntry& entry);

  EngineState& state_;
  Executor& reader_;
  Executor& reclaimer_;
  prometheus::Counter& too_many_searches_;
  prometheus::Counter& too_large_specs_;
  SteadyTime old_searches_due_;
};

}  // namespace layernas
