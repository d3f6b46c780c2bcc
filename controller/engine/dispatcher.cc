#include "controller/engine/dispatcher.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "common/base/random.h"

namespace layernas {
namespace {

// Maximum proposals per computation; this bounds the time until the first of them can be used.
constexpr std::size_t kMaxProposalsAtOnce = 16;
// Maximum bytes of the tasks in one answer; each task may be as large as its search's spec. This is
// half of the maximum message size.
constexpr std::size_t kMaxTaskBytes = 8 << 20;
// Distinguishes the seeds of full trainings from all others.
constexpr std::uint64_t kFinalSeeds = 0xf1a1;
// Maximum tasks reserved for one search while it computes; this bounds the time of a turn.
constexpr std::size_t kMaxReserved = 256;
// Maximum time that a poll waits for a computation while others have tasks for it. A computation
// usually takes milliseconds, but many searches share one thread, and its results may turn out to
// be known.
constexpr Millis kLongestAwait{2'000};
// Maximum results taken from other searches for one poll; this bounds the time of a turn.
constexpr std::size_t kMaxReused = 256;

}  // namespace

void Dispatcher::Run() {
  state_.shares.Advance(state_.now.steady);
  MakeTable();
  if (!state_.polls.empty()) ServePolls();
  Compete();
  TidyWork();
  if (!state_.draining) StartWork();
}

void Dispatcher::MakeTable() {
  table_.clear();
  for (const auto& [id, entry] : state_.searches.open()) {
    // The search may have ended in this turn.
    if (!entry->IsOpen()) continue;
    for (const core::TaskKind kind : entry->search->kinds()) {
      Row& row = table_.emplace_back();
      row.entry = entry;
      row.kind = kind;
      Refresh(row);
    }
  }
}

void Dispatcher::Refresh(Row& row) const {
  row.ready = row.entry->search->Ready(row.kind);
  row.running = row.entry->search->Leased(row.kind);
}

void Dispatcher::ServePolls() {
  // Each poll is visited once, so the loop always ends.
  PollId looked_at = 0;
  while (true) {
    const Poll* oldest = nullptr;
    for (const Row& row : table_) {
      if (!row.HasMore()) continue;
      const Poll* poll = state_.polls.OldestAfter(looked_at, row.require());
      if (poll != nullptr && (oldest == nullptr || poll->id < oldest->id)) oldest = poll;
    }
    if (oldest == nullptr) return;
    looked_at = oldest->id;
    std::vector<LeasedTask> tasks = TasksFor(*oldest);
    if (tasks.empty()) continue;
    // The worker was connected until now.
    state_.workers.HearWaiting(oldest->request.worker.id, state_.now.steady);
    state_.Answer<std::vector<LeasedTask>>(state_.polls.Take(oldest->id)->reply, std::move(tasks));
  }
}

std::vector<LeasedTask> Dispatcher::TasksFor(const Poll& poll) {
  const std::string& worker = poll.request.worker.id;
  std::vector<LeasedTask> tasks;
  std::size_t bytes = 0;
  std::size_t reused = 0;
  // Rows whose turn it was while their next task was not ready: one entry for each task that this
  // poll could have taken.
  std::vector<Row*> awaited;
  // The poll has waited too long: other searches get their turn.
  bool overdue = false;
  // A worker that kept failing gets only enough to show whether it still fails, however many calls
  // it makes.
  const bool is_on_probation = state_.workers.IsOnProbation(worker);
  const std::optional<LeaseBook::Key> test = is_on_probation ? state_.workers.TestOf(worker) : std::nullopt;
  if (test && state_.leases.Holds(*test, worker)) return tasks;
  const auto max_tasks = static_cast<std::size_t>(is_on_probation ? 1 : poll.request.max_tasks);
  const auto await = [&](Row& row) {
    overdue = state_.now.steady - state_.polls.Awaits(poll.id, state_.now.steady) > kLongestAwait;
    awaited.push_back(&row);
    if (overdue) {
      row.held_back_from = poll.id;
    } else {
      Reserve(row);
    }
  };
  while (tasks.size() + (overdue ? 0 : awaited.size()) < max_tasks && bytes < kMaxTaskBytes) {
    Row* row = RowFor(poll, overdue);
    if (row == nullptr) break;
    if (row->awaits_work) {
      await(*row);
      continue;
    }
    SearchEntry& entry = *row->entry;
    const core::Others others = state_.OthersOf(worker, row->require());
    const core::Candidate* candidate =
        entry.search->Lease(worker, poll.request.request_id, state_.now, row->kind, others);
    state_.touched.insert(entry.id());
    if (candidate == nullptr) {
      // A task that is held back from this worker may go to the next one.
      const bool holds_back = entry.search->HoldsBack(worker, state_.now, row->kind, others);
      if (entry.search->AwaitsWork(row->kind)) {
        row->awaits_work = !holds_back;
        await(*row);
      } else if (holds_back) {
        row->held_back_from = poll.id;
      } else {
        row->exhausted = true;
      }
      // The rest follows in later turns, which bounds the time of this one.
      if (entry.search->HasMoreTwins()) submit_([] {});
    } else if (ReuseResult(entry, *candidate)) {
      if (++reused == kMaxReused) {
        // The rest follows in later turns.
        submit_([] {});
        row->exhausted = true;
        break;
      }
    } else {
      state_.leases.Set({entry.id(), candidate->number}, worker, state_.now.steady + state_.options.lease_duration,
                        poll.request.worker.instance);
      if (is_on_probation) state_.workers.BeginTest(worker, {entry.id(), candidate->number});
      tasks.push_back(MakeTask(state_, entry, *candidate));
      bytes += entry.spec->size();
    }
    for (Row& one : table_) {
      if (one.entry == &entry) Refresh(one);
    }
  }
  // This also holds for an answered poll. Its worker asks for the rest at once. If other searches
  // have filled the slots, it asks so late that no poll would ever wait.
  for (Row* row : awaited) ++row->wanted;
  if (overdue && tasks.empty()) {
    Reserve(*awaited.front());
    awaited.front()->wanted += max_tasks - 1;
  }
  return tasks;
}

void Dispatcher::Reserve(Row& row) {
  ++row.reserved;
  if (row.reserved >= std::min(row.ready, kMaxReserved)) row.exhausted = true;
}

Dispatcher::Row* Dispatcher::RowFor(const Poll& poll, bool overdue) {
  // A search has one claim, whatever kinds of task it has for the poll. Its rows are adjacent.
  std::vector<std::pair<Row*, std::size_t>> fitting;
  for (auto begin = table_.begin(); begin != table_.end();) {
    Row* first = nullptr;
    std::size_t reserved = 0;
    auto row = begin;
    for (; row != table_.end() && row->entry == begin->entry; ++row) {
      reserved += row->reserved;
      if (first != nullptr || !row->HasMore() || row->held_back_from == poll.id) continue;
      if (overdue && row->awaits_work) continue;
      if (Meets(poll.request.worker, row->require())) first = &*row;
    }
    if (first != nullptr) fitting.emplace_back(first, reserved);
    begin = row;
  }
  if (fitting.empty()) return nullptr;
  // Usually there is only one row, and nothing to choose.
  if (fitting.size() == 1) return fitting.front().first;
  std::vector<core::FairShare::Claim> claims;
  claims.reserve(fitting.size());
  for (const auto& [row, reserved] : fitting) {
    const core::Search& search = *row->entry->search;
    claims.push_back({row->entry->id(), search.sharing(), search.CountOf(core::CandidateState::kLeased) + reserved});
  }
  return fitting[state_.shares.Next(claims)].first;
}

bool Dispatcher::ReuseResult(SearchEntry& entry, const core::Candidate& candidate) {
  core::Search& search = *entry.search;
  // Repeats and full trainings must be trained.
  if (!search.config().reuse_results || candidate.repeat != 0 || candidate.final_seed != 0) return false;
  for (const std::uint64_t id : state_.searches.SameEvaluation(search.config().evaluation_key)) {
    if (id == entry.id()) continue;
    const SearchEntry& other = *state_.searches.Find(id);
    const core::Candidate* result = other.search->candidate(other.search->NumberOf(candidate.architecture));
    if (result == nullptr || result->state != core::CandidateState::kSucceeded) continue;
    if (!search.Reuse(candidate.number, result->metrics, CandidateName(other.name, result->number),
                      state_.now.unix_ms)) {
      continue;
    }
    state_.metrics.results_reused.Increment();
    return true;
  }
  return false;
}

void Dispatcher::Compete() {
  std::vector<core::FairShare::Claim> claims;
  // A single search has no others to share with.
  if (state_.searches.open().size() > 1) {
    for (const Row& row : table_) {
      // Tasks that no worker can take do not compete.
      if (row.ready == 0 || state_.workers.FitOf(row.require()).connected == 0) continue;
      if (!claims.empty() && claims.back().search == row.entry->id()) continue;
      const core::Search& search = *row.entry->search;
      claims.push_back({row.entry->id(), search.sharing(), search.CountOf(core::CandidateState::kLeased)});
    }
  }
  state_.shares.Compete(std::move(claims));
}

void Dispatcher::StartWork() {
  for (const Row& row : table_) {
    // As late as possible: at most as many as polls wait for, and as there is room for.
    const std::size_t wanted = std::min({row.wanted, row.ready, kMaxProposalsAtOnce});
    if (wanted == 0) continue;
    std::shared_ptr<core::BackgroundWork> work = row.entry->search->StartWork(wanted);
    if (work == nullptr) continue;
    work_[row.entry->id()] = work;
    solver_.Post([this, id = row.entry->id(), search = row.entry->search, work] {
      work->Run();
      submit_([this, id, search, work] {
        search->FinishWork(*work, state_.now.unix_ms);
        state_.touched.insert(id);
      });
    });
  }
}

void Dispatcher::TidyWork() {
  std::erase_if(work_, [this](const auto& one) {
    const std::shared_ptr<core::BackgroundWork> work = one.second.lock();
    if (work == nullptr) return true;
    const SearchEntry* entry = state_.searches.Find(one.first);
    if (entry == nullptr || !entry->IsOpen()) work->Cancel();
    return false;
  });
}

void Dispatcher::CancelWork() {
  for (const auto& [id, of_search] : work_) {
    if (const std::shared_ptr<core::BackgroundWork> work = of_search.lock()) work->Cancel();
  }
}

LeasedTask MakeTask(const EngineState& state, const SearchEntry& entry, const core::Candidate& candidate) {
  const std::uint64_t search_seed = entry.search->config().seed;
  const std::uint64_t fingerprint = core::Fingerprint(candidate.architecture);
  std::uint64_t seed = MixKey({search_seed, fingerprint});
  if (candidate.repeat != 0) seed = MixKey({search_seed, fingerprint, static_cast<std::uint64_t>(candidate.repeat)});
  if (candidate.final_seed != 0) {
    seed = MixKey({search_seed, fingerprint, kFinalSeeds, static_cast<std::uint64_t>(candidate.final_seed)});
  }
  const LeaseToken token{entry.id(), candidate.number, candidate.attempt, state.LineageOf(entry)};
  const core::TaskKind kind = entry.search->KindOf(candidate);
  return {token,
          entry.name,
          entry.spec,
          candidate.architecture,
          static_cast<std::uint32_t>(seed),
          kind,
          candidate.final_of != 0,
          WorkIdentity(token, kind)};
}

}  // namespace layernas
