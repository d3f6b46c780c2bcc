// The engine's commands for people.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "controller/engine/engine.h"
#include "controller/engine/engine_replies.h"

namespace layernas {
namespace {

// Records looked at for one page of candidates at most; a filter may pass few of them.
constexpr std::size_t kMostScanned = 20'000;
constexpr Millis kOldSearchesInterval{1'000};

absl::Status WhyThereIsNoLog(const std::string& name, const core::Candidate& candidate) {
  if (!candidate.reused_from.empty()) {
    return absl::NotFoundError(absl::StrCat(name, " has no log: its result is that of ", candidate.reused_from));
  }
  if (candidate.state == core::CandidateState::kQueued || candidate.state == core::CandidateState::kLeased) {
    return absl::NotFoundError(
        absl::StrCat(name, " has no log yet: one comes with the result or the failure of an attempt"));
  }
  return absl::NotFoundError(absl::StrCat(
      name,
      " has no log: its evaluator wrote nothing to standard error, or it was lost with its worker, stopped early "
      "or cancelled, or is older than what is kept"));
}

}  // namespace

void Engine::ChangeSearch(std::string name, Reply<SearchView> reply, std::function<absl::Status(Entry&)> command) {
  Submit([this, name = std::move(name), reply = std::move(reply), command = std::move(command)] {
    const absl::StatusOr<Entry*> entry = Find(name);
    const absl::Status status = entry.ok() ? command(**entry) : entry.status();
    if (!status.ok()) {
      Answer<SearchView>(reply, status);
      return;
    }
    touched_.insert((*entry)->stored.id);
    AnswerWithView(reply, (*entry)->stored.id);
  });
}

void Engine::AnswerWithView(Reply<SearchView> reply, std::uint64_t id) {
  AtEndOfTurn(id, [this, reply = std::move(reply)](const Entry* entry) {
    Answer<SearchView>(reply, entry == nullptr ? SearchWasDeleted() : absl::StatusOr<SearchView>(MakeView(*entry)));
  });
}

void Engine::CreateSearch(NewSearch search, Reply<SearchView> reply) {
  Submit([this, search = std::move(search), reply = std::move(reply)] {
    if (const auto made = search_of_request_.find(search.request_id);
        !search.request_id.empty() && made != search_of_request_.end()) {
      AnswerWithView(reply, made->second);
      return;
    }
    const std::uint64_t id = next_search_id_++;
    Entry& entry = searches_[id];
    open_searches_[id] = &entry;
    entry.name = SearchName(search.slug, id);
    entry.spec = std::make_shared<const std::string>(search.spec);
    entry.search = std::make_shared<core::Search>(search.config, now_.unix_ms);
    entry.stored.id = id;
    entry.stored.slug = search.slug;
    entry.stored.spec = search.spec;
    entry.stored.request_id = search.request_id;
    if (!search.request_id.empty()) search_of_request_[search.request_id] = id;
    same_evaluation_[search.config.evaluation_key].insert(id);
    touched_.insert(id);
    log::Info("search created", {{"search", entry.name}});
    AnswerWithView(reply, id);
  });
}

void Engine::GetSearch(std::string name, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), reply = std::move(reply)] {
    if (const absl::StatusOr<Entry*> entry = Find(name); entry.ok()) {
      AnswerWithView(reply, (*entry)->stored.id);
    } else {
      Answer<SearchView>(reply, entry.status());
    }
  });
}

void Engine::ListSearches(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply) {
  Submit([this, before, limit, reply = std::move(reply)] {
    at_end_.push_back([this, before, limit, reply] {
      Page<SearchView> page;
      auto entry = std::make_reverse_iterator(searches_.lower_bound(before));
      for (; entry != searches_.rend() && page.items.size() < limit; ++entry) {
        page.items.push_back(MakeView(entry->second));
      }
      if (entry != searches_.rend()) page.next = entry->first + 1;
      Answer<Page<SearchView>>(reply, std::move(page));
    });
  });
}

void Engine::PauseSearch(std::string name, Reply<SearchView> reply) {
  ChangeSearch(std::move(name), std::move(reply), [](Entry& entry) { return entry.search->Pause(); });
}

void Engine::ResumeSearch(std::string name, Reply<SearchView> reply) {
  ChangeSearch(std::move(name), std::move(reply), [](Entry& entry) { return entry.search->Resume(); });
}

void Engine::CancelSearch(std::string name, Reply<SearchView> reply) {
  ChangeSearch(std::move(name), std::move(reply), [this](Entry& entry) { return entry.search->Cancel(now_.unix_ms); });
}

void Engine::UpdateSearch(std::string name, SharingUpdate update, Reply<SearchView> reply) {
  ChangeSearch(std::move(name), std::move(reply), [update](Entry& entry) {
    core::Sharing sharing = entry.search->sharing();
    sharing.weight = update.weight.value_or(sharing.weight);
    sharing.priority = update.priority.value_or(sharing.priority);
    sharing.max_running = update.max_running.value_or(sharing.max_running);
    return entry.search->Share(sharing);
  });
}

void Engine::DeleteSearch(std::string name, Reply<SearchView> reply) {
  OnSearch<SearchView>(std::move(name), std::move(reply), [this](Entry& entry) -> absl::StatusOr<SearchView> {
    if (!core::IsFinal(entry.search->state())) {
      return absl::FailedPreconditionError("the search has not ended; cancel it first");
    }
    SearchView view = MakeView(entry);
    Remove(entry);
    return view;
  });
}

void Engine::DeleteOldSearches() {
  if (options_.retention == Millis{0} || now_.steady < old_searches_due_) return;
  old_searches_due_ = now_.steady + kOldSearchesInterval;
  // A clock that was set ahead makes nothing older.
  const UnixMillis before = now_.unix_ms - std::max(clock_ahead_, Millis{0}).count() - options_.retention.count();
  for (auto next = searches_.begin(); next != searches_.end();) {
    Entry& entry = (next++)->second;
    if (!core::IsFinal(entry.search->state()) || entry.search->ended() > before) continue;
    log::Info("search deleted, for it has been kept for long enough", {{"search", entry.name}});
    Remove(entry);
  }
}

void Engine::Remove(Entry& entry) {
  const std::uint64_t id = entry.stored.id;
  search_of_request_.erase(entry.stored.request_id);
  metrics_.searches().Forget(entry.name);
  deleted_.insert(id);
  open_searches_.erase(id);
  shares_.Forget(id);
  const auto same = same_evaluation_.find(entry.search->config().evaluation_key);
  same->second.erase(id);
  if (same->second.empty()) same_evaluation_.erase(same);
  // Once the deletion is on the disk.
  answers_.push_back([this, id] {
    reclaimer_.Post([this, id] {
      if (const absl::Status status = store_.Reclaim(id); !status.ok()) {
        log::Warning("the room of a deleted search can't be reclaimed yet", {{"why", std::string(status.message())}});
      }
    });
  });
  // It may hold a million candidates: they are let go of elsewhere.
  reader_.Post([search = std::move(entry.search)] {});
  searches_.erase(id);
}

void Engine::ListCandidates(std::string name, std::set<core::CandidateState> states, std::uint64_t after,
                            std::size_t limit, Reply<CandidatePage> reply) {
  ReadSearch<CandidatePage>(std::move(name), std::move(reply),
                            [this, states = std::move(states), after, limit](
                                std::uint64_t id, SearchView view) -> absl::StatusOr<CandidatePage> {
                              LAYERNAS_ASSIGN_OR_RETURN(storage::CandidateRows rows,
                                                        store_.ReadCandidates(id, after, limit, states, kMostScanned));
                              return CandidatePage{std::move(view), {std::move(rows.candidates), rows.next}};
                            });
}

void Engine::GetTaskLog(std::string candidate, int attempt, Reply<TaskLogView> reply) {
  const std::optional<ParsedCandidateName> name = ParseCandidateName(candidate);
  if (!name) {
    reply(absl::InvalidArgumentError(absl::StrCat(
        "\"", candidate, "\" is not the name of a candidate: expected searches/{name}-{number}/candidates/{number}")));
    return;
  }
  ReadSearch<TaskLogView>(
      name->search_name, std::move(reply),
      [this, candidate = std::move(candidate), number = name->number, attempt](
          std::uint64_t id, const SearchView&) -> absl::StatusOr<TaskLogView> {
        LAYERNAS_ASSIGN_OR_RETURN(const auto logs, store_.ReadLogs(id, number));
        if (logs.empty()) {
          LAYERNAS_ASSIGN_OR_RETURN(const storage::CandidateRows rows, store_.ReadCandidates(id, number - 1, 1));
          if (rows.candidates.empty() || rows.candidates.front().number != number) {
            return absl::NotFoundError(absl::StrCat("there is no candidate ", candidate));
          }
          return WhyThereIsNoLog(candidate, rows.candidates.front());
        }
        TaskLogView view;
        for (const auto& [one, log] : logs) view.attempts.push_back(one);
        const auto found = attempt == 0 ? std::prev(logs.end()) : logs.find(attempt);
        if (found == logs.end()) {
          return absl::NotFoundError(absl::StrCat("no log is kept of attempt ", attempt, " at ", candidate,
                                                  ", but of attempt", view.attempts.size() == 1 ? " " : "s ",
                                                  absl::StrJoin(view.attempts, ", ")));
        }
        view.attempt = found->first;
        view.log = found->second;
        return view;
      });
}

void Engine::GetFrontier(std::string name, double above, std::size_t limit, Reply<FrontierView> reply) {
  OnSearch<FrontierView>(std::move(name), std::move(reply), [this, above, limit](Entry& entry) {
    FrontierView view{MakeView(entry), {}, false};
    const auto& points = entry.search->frontier().points();
    auto point = points.upper_bound(above);
    for (; point != points.end() && view.points.size() < limit; ++point) {
      view.points.push_back(MakePoint(*entry.search, point->second.candidate));
    }
    view.has_more = point != points.end();
    return view;
  });
}

void Engine::GetBuckets(std::string name, core::Position position, Reply<BucketsView> reply) {
  OnSearch<BucketsView>(
      std::move(name), std::move(reply), [this, position](Entry& entry) -> absl::StatusOr<BucketsView> {
        const std::optional<core::StageTable> growing = entry.search->growing_table();
        if (growing && (position == core::Position{} || position == growing->position))
          return BucketsView{MakeView(entry), MakeBuckets(*entry.search, *growing)};
        const auto tables = entry.search->final_tables();
        if (position == core::Position{}) {
          // A strategy without tables has none to show, and that is no error.
          if (tables.empty()) return BucketsView{MakeView(entry), {}};
          return BucketsView{MakeView(entry), MakeBuckets(*entry.search, tables.back())};
        }
        for (const core::StageTable& table : tables) {
          if (table.position == position) return BucketsView{MakeView(entry), MakeBuckets(*entry.search, table)};
        }
        return absl::NotFoundError(
            absl::StrCat(entry.name, " has no table of pass ", position.pass, ", stage ", position.stage));
      });
}

void Engine::ReadChanges(std::string name, std::uint64_t after, std::size_t limit, Reply<ChangesView> reply) {
  Submit([this, name = std::move(name), after, limit, reply = std::move(reply)]() mutable {
    if (draining_) {
      Answer<ChangesView>(reply, Draining());
      return;
    }
    ReadSearch<ChangesView>(std::move(name), std::move(reply),
                            [this, after, limit](std::uint64_t id, SearchView view) -> absl::StatusOr<ChangesView> {
                              ChangesView result;
                              LAYERNAS_ASSIGN_OR_RETURN(result.changes, store_.ReadChanges(id, after, limit));
                              // What was committed since the view was made is for the next call, whose view will know
                              // it.
                              std::erase_if(result.changes, [&view](const storage::StoredChange& change) {
                                return change.sequence > view.sequence;
                              });
                              // A number from the future is of a store that was since restored from a backup.
                              result.gap = after > view.sequence ||
                                           (after < view.sequence &&
                                            (result.changes.empty() || result.changes.front().sequence > after + 1));
                              result.search = std::move(view);
                              return result;
                            });
  });
}

}  // namespace layernas
