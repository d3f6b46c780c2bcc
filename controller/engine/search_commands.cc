#include "controller/engine/search_commands.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "controller/engine/search_views.h"

namespace layernas {
namespace {

// Maximum records read for one page of candidates; a filter may accept few of them.
constexpr std::size_t kMaxScanned = 20'000;
// Approximate maximum bytes of the views of one page of searches: as much as fits in a message.
constexpr std::size_t kMaxListedBytes = 4 << 20;
constexpr Millis kOldSearchesInterval{1'000};

// Returns the approximate memory and message size of a view.
std::size_t BytesOf(const SearchView& view) {
  constexpr std::size_t kMetricBytes = 32;
  std::size_t bytes = view.spec->size();
  for (const TargetView& target : view.targets) {
    for (const auto& point : {target.best, target.nearest}) {
      if (!point) continue;
      bytes += sizeof(PointView) + point->architecture.size() * sizeof(core::OptionIndex) +
               point->metrics.size() * kMetricBytes;
    }
  }
  for (const WinnerView& winner : view.winners) {
    bytes += sizeof(WinnerView) + winner.architecture.size() * sizeof(core::OptionIndex) +
             winner.finals.size() * sizeof(std::uint64_t);
    for (const auto& [file, worker] : winner.weights) {
      bytes += sizeof(core::WeightsFile) + file.path.size() + file.sha256.size() + worker.size();
    }
  }
  return bytes;
}

absl::Status WhyThereIsNoLog(const std::string& name, const std::string& search, const core::Candidate& candidate) {
  if (candidate.twin_of != 0) {
    return absl::NotFoundError(absl::StrCat(name, " has no log: it is the same network as ",
                                            CandidateName(search, candidate.twin_of), ", which is evaluated instead"));
  }
  if (!candidate.reused_from.empty()) {
    return absl::NotFoundError(absl::StrCat(name, " has no log: its result was reused from ", candidate.reused_from));
  }
  if (candidate.state == core::CandidateState::kQueued || candidate.state == core::CandidateState::kLeased) {
    return absl::NotFoundError(
        absl::StrCat(name, " has no log yet: a log arrives with the result or the failure of an attempt"));
  }
  return absl::NotFoundError(absl::StrCat(
      name,
      " has no log: its evaluator wrote nothing to standard error, the attempt was lost with its worker, stopped early "
      "or cancelled, or the log was too old to keep"));
}

}  // namespace

absl::StatusOr<SearchEntry*> SearchCommands::FindUsable(const std::string& name) {
  LAYERNAS_ASSIGN_OR_RETURN(SearchEntry * entry, state_.searches.Find(name));
  if (!entry->IsBroken()) return entry;
  return absl::FailedPreconditionError(absl::StrCat("this version of layernas cannot continue ", name, ": ",
                                                    entry->why_broken,
                                                    "; read its candidates, delete it, or start the version that made "
                                                    "it"));
}

void SearchCommands::Change(const std::string& name, const Reply<SearchView>& reply,
                            const std::function<absl::Status(core::Search&)>& change) {
  const absl::StatusOr<SearchEntry*> entry = FindUsable(name);
  const absl::Status status = entry.ok() ? change(*(*entry)->search) : entry.status();
  if (!status.ok()) {
    state_.Answer<SearchView>(reply, status);
    return;
  }
  state_.touched.insert((*entry)->id());
  AnswerWithView(reply, (*entry)->id());
}

void SearchCommands::AnswerWithView(const Reply<SearchView>& reply, std::uint64_t id) {
  state_.AtEndOfTurn(id, [this, reply](const SearchEntry* entry) {
    state_.Answer<SearchView>(
        reply, entry == nullptr ? SearchWasDeleted() : absl::StatusOr<SearchView>(MakeView(*entry, state_.workers)));
  });
}

template <typename T>
void SearchCommands::Read(const std::string& name, Reply<T> reply,
                          std::function<absl::StatusOr<T>(std::uint64_t id, SearchView view)> read) {
  const absl::StatusOr<SearchEntry*> found = state_.searches.Find(name);
  if (!found.ok()) {
    state_.Answer<T>(std::move(reply), found.status());
    return;
  }
  const std::uint64_t id = (*found)->id();
  state_.AtEndOfTurn(id, [this, id, reply = std::move(reply), read = std::move(read)](const SearchEntry* entry) {
    if (entry == nullptr) {
      state_.Answer<T>(reply, SearchWasDeleted());
      return;
    }
    // Added as an answer, so that the view's sequence number is on the disk when it runs.
    state_.answers.push_back([this, id, reply, read, view = MakeView(*entry, state_.workers)] {
      reader_.Post([id, reply, read, view] { reply(read(id, view)); });
    });
  });
}

void SearchCommands::Create(const NewSearch& search, const Reply<SearchView>& reply) {
  if (!search.request_id.empty()) {
    if (const std::uint64_t made = state_.searches.OfRequest(search.request_id); made != 0) {
      AnswerWithView(reply, made);
      return;
    }
  }
  if (const absl::Status status = CheckQuotas(search); !status.ok()) {
    state_.Answer<SearchView>(reply, status);
    return;
  }
  SearchEntry entry;
  entry.stored.id = state_.searches.TakeId();
  entry.stored.slug = search.slug;
  entry.stored.spec = search.spec;
  entry.stored.request_id = search.request_id;
  entry.stored.owner = search.owner;
  entry.stored.created = state_.now.unix_ms;
  entry.name = SearchName(search.slug, entry.stored.id);
  entry.spec = std::make_shared<const std::string>(search.spec);
  entry.sequence = state_.changes_base;
  entry.search = std::make_shared<core::Search>(search.config, state_.now.unix_ms);
  const SearchEntry& added = state_.searches.Add(std::move(entry));
  log::Info("search created", {{"search", added.name}});
  // There may be nothing to try at all.
  added.search->CheckTime(state_.now.unix_ms);
  state_.touched.insert(added.id());
  AnswerWithView(reply, added.id());
}

absl::Status SearchCommands::CheckQuotas(const NewSearch& search) {
  if (search.owner.empty()) return absl::OkStatus();
  const Quotas& quotas = state_.options.quotas;
  const SearchBook::Owned owned = state_.searches.OwnedBy(search.owner);
  if (owned.open >= quotas.open_searches) {
    too_many_searches_.Increment();
    return absl::ResourceExhaustedError(
        absl::StrCat(search.owner, " has ", owned.open,
                     " unfinished searches, which is its limit (the controller's --max-searches-per-caller); wait for "
                     "some to end, or cancel some"));
  }
  if (owned.spec_bytes + search.spec.size() > quotas.spec_bytes) {
    too_large_specs_.Increment();
    return absl::ResourceExhaustedError(
        absl::StrCat("the specs of ", search.owner, "'s searches have ", owned.spec_bytes,
                     " bytes, and this one would exceed their limit (the controller's --max-spec-mib-per-caller); an "
                     "administrator can delete ended searches or raise the limit"));
  }
  return absl::OkStatus();
}

void SearchCommands::Get(const std::string& name, const Reply<SearchView>& reply) {
  if (const absl::StatusOr<SearchEntry*> entry = state_.searches.Find(name); entry.ok()) {
    AnswerWithView(reply, (*entry)->id());
  } else {
    state_.Answer<SearchView>(reply, entry.status());
  }
}

void SearchCommands::List(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply) {
  state_.at_end.push_back([this, before, limit, reply = std::move(reply)] {
    Page<SearchView> page;
    const auto& all = state_.searches.all();
    auto entry = std::make_reverse_iterator(all.lower_bound(before));
    std::size_t bytes = 0;
    for (; entry != all.rend() && page.items.size() < limit && bytes < kMaxListedBytes; ++entry) {
      page.items.push_back(MakeView(entry->second, state_.workers));
      bytes += BytesOf(page.items.back());
    }
    if (entry != all.rend()) page.next = entry->first + 1;
    state_.Answer<Page<SearchView>>(reply, std::move(page));
  });
}

void SearchCommands::Delete(const std::string& name, const Reply<SearchView>& reply) {
  const absl::StatusOr<SearchEntry*> found = state_.searches.Find(name);
  if (!found.ok()) {
    state_.Answer<SearchView>(reply, found.status());
    return;
  }
  SearchEntry& entry = **found;
  if (entry.IsOpen()) {
    state_.Answer<SearchView>(reply, absl::FailedPreconditionError("the search has not ended; cancel it first"));
    return;
  }
  SearchView view = MakeView(entry, state_.workers);
  Remove(entry);
  state_.Answer<SearchView>(reply, std::move(view));
}

void SearchCommands::ListCandidates(const std::string& name, std::set<core::CandidateState> states, std::uint64_t after,
                                    std::size_t limit, Reply<CandidatePage> reply) {
  Read<CandidatePage>(name, std::move(reply),
                      [this, states = std::move(states), after, limit](
                          std::uint64_t id, SearchView view) -> absl::StatusOr<CandidatePage> {
                        LAYERNAS_ASSIGN_OR_RETURN(storage::CandidateRows rows,
                                                  state_.store.ReadCandidates(id, after, limit, states, kMaxScanned));
                        return CandidatePage{std::move(view), {std::move(rows.candidates), rows.next}};
                      });
}

void SearchCommands::GetTaskLog(const std::string& candidate, int attempt, Reply<TaskLogView> reply) {
  const std::optional<ParsedCandidateName> name = ParseCandidateName(candidate);
  if (!name) {
    state_.Answer<TaskLogView>(
        std::move(reply),
        absl::InvalidArgumentError(
            absl::StrCat("\"", candidate,
                         "\" is not the name of a candidate: expected searches/{name}-{number}/candidates/{number}")));
    return;
  }
  Read<TaskLogView>(
      name->search_name, std::move(reply),
      [this, candidate, number = name->number, attempt](std::uint64_t id,
                                                        const SearchView& search) -> absl::StatusOr<TaskLogView> {
        LAYERNAS_ASSIGN_OR_RETURN(const auto logs, state_.store.ReadLogs(id, number));
        if (logs.empty()) {
          LAYERNAS_ASSIGN_OR_RETURN(const storage::CandidateRows rows, state_.store.ReadCandidates(id, number - 1, 1));
          if (rows.candidates.empty() || rows.candidates.front().number != number) {
            return absl::NotFoundError(absl::StrCat("there is no candidate ", candidate));
          }
          return WhyThereIsNoLog(candidate, search.name, rows.candidates.front());
        }
        TaskLogView view;
        for (const auto& [one, log] : logs) view.attempts.push_back(one);
        const auto found = attempt == 0 ? std::prev(logs.end()) : logs.find(attempt);
        if (found == logs.end()) {
          return absl::NotFoundError(absl::StrCat("no log is kept of attempt ", attempt, " of ", candidate,
                                                  ", only of attempt", view.attempts.size() == 1 ? " " : "s ",
                                                  absl::StrJoin(view.attempts, ", ")));
        }
        view.attempt = found->first;
        view.log = found->second;
        return view;
      });
}

void SearchCommands::GetFrontier(const std::string& name, double above, std::size_t limit,
                                 const Reply<FrontierView>& reply) {
  const absl::StatusOr<SearchEntry*> entry = FindUsable(name);
  if (!entry.ok()) {
    state_.Answer<FrontierView>(reply, entry.status());
    return;
  }
  FrontierView view{MakeView(**entry, state_.workers), {}, false};
  const core::Search& search = *(*entry)->search;
  const auto& points = search.frontier().points();
  auto point = points.upper_bound(above);
  for (; point != points.end() && view.points.size() < limit; ++point) {
    view.points.push_back(MakePoint(search, point->second.candidate));
  }
  view.has_more = point != points.end();
  state_.Answer<FrontierView>(reply, std::move(view));
}

void SearchCommands::GetBuckets(const std::string& name, core::Position position, const Reply<BucketsView>& reply) {
  const auto find = [&]() -> absl::StatusOr<BucketsView> {
    LAYERNAS_ASSIGN_OR_RETURN(SearchEntry * entry, FindUsable(name));
    const core::Search& search = *entry->search;
    const auto view = [&](const core::StageTable& table) {
      return BucketsView{MakeView(*entry, state_.workers), MakeBuckets(search, table)};
    };
    const auto fits = [&](const core::StageTable& table) {
      return (position.pass == 0 || position.pass == table.position.pass) &&
             (position.stage == 0 || position.stage == table.position.stage);
    };
    const std::optional<core::StageTable> growing = search.growing_table();
    if (growing && fits(*growing)) return view(*growing);
    const auto tables = search.final_tables();
    for (auto table = tables.rbegin(); table != tables.rend(); ++table) {
      if (fits(*table)) return view(*table);
    }
    // A strategy without tables has none to show; this is no error.
    if (position == core::Position{}) return BucketsView{MakeView(*entry, state_.workers), {}};
    return absl::NotFoundError(absl::StrCat(entry->name, " has no table of",
                                            position.pass == 0 ? "" : absl::StrCat(" pass ", position.pass),
                                            position.pass == 0 || position.stage == 0 ? "" : ",",
                                            position.stage == 0 ? "" : absl::StrCat(" stage ", position.stage)));
  };
  state_.Answer<BucketsView>(reply, find());
}

void SearchCommands::ReadChanges(const std::string& name, std::uint64_t after, std::size_t limit,
                                 Reply<ChangesView> reply) {
  if (state_.draining) {
    state_.Answer<ChangesView>(std::move(reply), Draining());
    return;
  }
  Read<ChangesView>(
      name, std::move(reply), [this, after, limit](std::uint64_t id, SearchView view) -> absl::StatusOr<ChangesView> {
        ChangesView result;
        LAYERNAS_ASSIGN_OR_RETURN(result.changes, state_.store.ReadChanges(id, after, limit));
        // Changes committed after the view was made are left to the next call, whose view includes
        // them.
        std::erase_if(result.changes,
                      [&view](const storage::StoredChange& change) { return change.sequence > view.sequence; });
        // A sequence number from the future belongs to a store that was later restored from a
        // backup.
        result.gap = after > view.sequence ||
                     (after < view.sequence && (result.changes.empty() || result.changes.front().sequence > after + 1));
        result.search = std::move(view);
        return result;
      });
}

void SearchCommands::RunTimers() {
  for (const auto& [id, entry] : state_.searches.open()) {
    if (entry->search->config().duration.count() == 0) continue;
    const bool silence_counts = state_.silence_counts && state_.now.steady >= state_.workers_are_back_at;
    entry->search->CheckTime(state_.now.unix_ms, state_.ClockSetSinceStart(*entry), silence_counts);
    state_.touched.insert(id);
  }
  DeleteOldSearches();
}

void SearchCommands::DeleteOldSearches() {
  const Millis retention = state_.options.retention;
  if (retention == Millis{0} || state_.now.steady < old_searches_due_) return;
  old_searches_due_ = state_.now.steady + kOldSearchesInterval;
  std::vector<std::uint64_t> old;
  for (const auto& [id, entry] : state_.searches.all()) {
    if (!core::IsFinal(entry.stored.state)) continue;
    const Millis age{state_.store_time.time - entry.stored.end_store_time};
    if (age >= retention) old.push_back(id);
  }
  for (const std::uint64_t id : old) {
    SearchEntry& entry = *state_.searches.Find(id);
    log::Info("search deleted: its retention has passed", {{"search", entry.name}});
    Remove(entry);
  }
}

void SearchCommands::Remove(SearchEntry& entry) {
  const std::uint64_t id = entry.id();
  state_.metrics.searches().Forget(entry.name);
  state_.deleted.insert(id);
  state_.shares.Forget(id);
  // Runs after the deletion is on the disk.
  state_.answers.push_back([this, id] {
    reclaimer_.Post([this, id] {
      if (const absl::Status status = state_.store.Reclaim(id); !status.ok()) {
        log::Warning("cannot reclaim the space of a deleted search yet", {{"why", std::string(status.message())}});
      }
    });
  });
  // The search may hold a million candidates, so it is destroyed on another thread.
  reader_.Post([search = entry.search] {});
  state_.searches.Remove(id);
}

}  // namespace layernas
