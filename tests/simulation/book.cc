#include "tests/simulation/book.h"

#include <algorithm>
#include <cstdlib>

#include "controller/core/attempts.h"
#include "controller/engine/views.h"
#include "controller/spec/core_config.h"
#include "layernas/v1/spec.pb.h"
#include "tests/simulation/ending_check.h"
#include "tests/simulation/truth.h"

namespace layernas::simulation {
namespace {

// The maximum time from a lease to its end.
constexpr Millis kLongestAttempt{90'000};

std::string NameOf(const Book::Search& search, const core::Candidate& candidate) {
  return CandidateName(SearchName(search.stored.slug, search.stored.id), candidate.number);
}

}  // namespace

const core::SearchConfig& Configs::Of(const std::string& spec) {
  std::unique_ptr<core::SearchConfig>& config = configs_[spec];
  if (config == nullptr) config = std::make_unique<core::SearchConfig>(*ToCoreConfig(spec));
  return *config;
}

Records RecordsOf(const storage::Batch& batch) {
  Records records;
  batch.operations().Visit(
      [&](storage::Family family, std::string_view key, std::string_view value) {
        if (family == storage::kSearches) {
          storage::StoredSearch search = *storage::DecodeSearch(value);
          search.id = *storage::DecodeSearchKey(key);
          records.searches.push_back(std::move(search));
        } else if (family == storage::kCandidates) {
          const auto [search, number] = *storage::DecodeNumberKey(key);
          core::Candidate candidate = *storage::DecodeCandidate(value);
          candidate.number = number;
          records.candidates.emplace_back(search, std::move(candidate));
        }
      },
      [&](storage::Family family, std::string_view begin, std::string_view) {
        if (family == storage::kSearches) records.deleted.push_back(*storage::DecodeSearchKey(begin));
      });
  return records;
}

std::size_t Book::Search::Under(core::CandidateState state) const {
  return std::count_if(candidates.begin(), candidates.end(),
                       [state](const core::Candidate& one) { return one.state == state; });
}

void Book::Written(const Records& records) {
  for (const std::uint64_t id : records.deleted) {
    if (!may_be_deleted_.contains(id)) story_.Find("nothing lost", absl::StrCat("search ", id, " was deleted"));
    searches_.erase(id);
    std::erase_if(accepted_, [id](const Accepted& one) { return one.search == id; });
  }
  // Put a search's own record first: it is new, or its end explains how its candidates end.
  for (const storage::StoredSearch& search : records.searches) Put(search);
  for (const auto& [search, candidate] : records.candidates) Put(search, candidate);
  for (const std::uint64_t id : std::exchange(ended_now_, {})) {
    if (const auto ended = searches_.find(id); ended != searches_.end()) {
      const std::string fault = WhyEndedWrongly(ended->second, timeline_.Now(), others_fit_);
      if (!fault.empty()) story_.Find("budgets", absl::StrCat("search ", id, ": ", fault));
    }
  }
}

void Book::Put(const storage::StoredSearch& stored) {
  Search& search = searches_[stored.id];
  if (search.config == nullptr) {
    search.config = &configs_.Of(stored.spec);
    v1::SearchSpec spec;
    spec.ParseFromString(stored.spec);
    search.evaluator = static_cast<std::uint64_t>(spec.space().network().classes());
    story_.Tell("disk: search ", stored.id, " is there");
  } else if (core::IsFinal(search.stored.state) && search.stored.state != stored.state) {
    story_.Find("nothing lost", absl::StrCat("search ", stored.id, " has ended and goes on"));
  }
  if (search.stored.state != stored.state) {
    story_.Tell("disk: search ", stored.id, " is in state ", static_cast<int>(stored.state), " ", stored.state_reason);
    if (core::IsFinal(stored.state)) ended_now_.insert(stored.id);
  }
  if (search.stored.searching_over != stored.searching_over) {
    if (!search.stored.searching_over.empty()) {
      story_.Find("budgets", absl::StrCat("search ", stored.id, " has another reason to propose nothing more: ",
                                          stored.searching_over, " after ", search.stored.searching_over));
    }
    story_.Tell("disk: search ", stored.id, " proposes nothing more: ", stored.searching_over);
  }
  search.stored = stored;
  search.changed = timeline_.Now();
}

void Book::Put(std::uint64_t id, const core::Candidate& candidate) {
  const auto found = searches_.find(id);
  if (found == searches_.end()) {
    story_.Find("nothing lost", absl::StrCat("a candidate of search ", id, ", which is not there"));
    return;
  }
  Search& search = found->second;
  const std::size_t known = search.candidates.size();
  if (candidate.number > known + 1) {
    story_.Find("nothing lost", absl::StrCat(NameOf(search, candidate), " follows on number ", known));
    return;
  }
  const bool is_new = candidate.number == known + 1;
  const core::Candidate before = is_new ? core::Candidate() : search.candidates[candidate.number - 1];
  if (!is_new) CheckChange(search, before, candidate);
  if (is_new && candidate.repeat_of == 0 && candidate.final_of == 0) {
    const auto [first, is_first] = search.firsts.emplace(candidate.architecture, candidate.number);
    if (!is_first) {
      story_.Find("nothing lost", absl::StrCat(NameOf(search, candidate), " is the same as ", first->second));
    }
  }
  if (candidate.state == core::CandidateState::kLeased && !search.started) search.started = timeline_.Now();
  if (is_new || before.state != candidate.state || before.attempt != candidate.attempt) {
    story_.Tell("disk: ", NameOf(search, candidate), " ", IdOf(search.config->space, candidate.architecture), " state ",
                static_cast<int>(candidate.state), " attempt ", candidate.attempt, " worker ", candidate.worker,
                candidate.repeat_of != 0  ? " repeat"
                : candidate.final_of != 0 ? " final"
                                          : "",
                " failures ", candidate.failures.size());
  }
  if (is_new) {
    search.candidates.push_back(candidate);
  } else {
    search.candidates[candidate.number - 1] = candidate;
  }
  search.changed = timeline_.Now();
  CheckCandidate(search, candidate);
  if (!is_new) return;
  if (candidate.repeat_of == 0 && candidate.final_of == 0 && candidate.attempt > 0 && begun_) begun_(search);
  if (const std::string why = WhyOverBudget(search); !why.empty()) {
    story_.Find("budgets", absl::StrCat(NameOf(search, candidate), ": ", why));
  }
}

void Book::CheckChange(const Search& search, const core::Candidate& before, const core::Candidate& after) {
  if (core::IsFinal(before.state) && !(before.state == after.state && before.metrics == after.metrics &&
                                       before.result_attempt == after.result_attempt)) {
    story_.Find("nothing lost", absl::StrCat(NameOf(search, after), " was final and has changed"));
  }
  if (before.architecture != after.architecture) {
    story_.Find("truth", absl::StrCat(NameOf(search, after), " has become another architecture"));
  }
  // The end of the search's time, a pause or a budget never end a running attempt.
  const bool called_off =
      search.stored.state == core::SearchState::kCancelled || search.stored.state == core::SearchState::kFailed;
  const bool given_back = given_back_.contains({search.stored.id, before.number, before.attempt});
  if (before.state == core::CandidateState::kLeased && after.state == core::CandidateState::kSkipped && !called_off &&
      !given_back && after.measured_attempt == before.measured_attempt &&
      after.failures.size() == before.failures.size()) {
    story_.Find("budgets", absl::StrCat(NameOf(search, after), " was under way and is thrown away"));
  }
  if (after.failures.size() > before.failures.size() && after.failures.back().kind == core::FailureKind::kWorkerLost) {
    ++lost_leases_;
  }
}

void Book::CheckCandidate(const Search& search, const core::Candidate& candidate) {
  if (const std::string why = WhyUntrue(candidate, *search.config, search.evaluator); !why.empty()) {
    story_.Find("truth", absl::StrCat(NameOf(search, candidate), ": ", why));
  }
  CheckGivenUp(search, candidate);
}

void Book::CheckGivenUp(const Search& search, const core::Candidate& candidate) {
  if (candidate.state != core::CandidateState::kInfeasible && candidate.state != core::CandidateState::kFailed) return;
  int failed = 0;
  int lost = 0;
  std::set<std::string> workers;
  for (const core::AttemptFailure& failure : candidate.failures) {
    if (failure.kind == core::FailureKind::kInfeasible) return;
    if (failure.attempt <= candidate.measured_attempt) continue;
    if (failure.kind == core::FailureKind::kWorkerLost) {
      ++lost;
    } else {
      ++failed;
      workers.insert(failure.worker);
    }
  }
  if (failed < search.config->attempts && lost < core::kMaxLostLeases) {
    story_.Find("justice", absl::StrCat(NameOf(search, candidate), " was given up after ", failed, " failures and ",
                                        lost, " lost leases"));
  } else if (candidate.state == core::CandidateState::kInfeasible && workers.size() < 2) {
    story_.Find("justice", absl::StrCat(NameOf(search, candidate), " is infeasible for what one worker says"));
  } else if (failed >= search.config->attempts && search.config->attempts > 1 && workers.size() == 1 && others_fit_ &&
             others_fit_(search, *workers.begin(), kLongestAttempt)) {
    story_.Find("justice", absl::StrCat(NameOf(search, candidate), " was given up for what one of the workers did"));
  }
}

void Book::Restarted(const storage::Store& store) { Load(store); }

void Book::Replaced(const storage::Store& store, std::vector<Accepted> accepted) {
  searches_.clear();
  may_be_deleted_.clear();
  given_back_.clear();
  accepted_ = std::move(accepted);
  // It is unknown which workers existed when something ended in the last process.
  OthersFit others_fit = std::exchange(others_fit_, nullptr);
  Load(store);
  others_fit_ = std::move(others_fit);
  // It is unknown when the running attempts started.
  TimeIsUnknown();
}

void Book::Load(const storage::Store& store) {
  const auto loaded = store.LoadSearches();
  if (!loaded.ok()) {
    story_.Find("nothing lost", absl::StrCat("the store cannot be read: ", loaded.status().message()));
    return;
  }
  std::set<std::uint64_t> there;
  for (const storage::LoadedSearch& one : *loaded) there.insert(one.search.id);
  Records records;
  for (const auto& [id, search] : searches_) {
    if (!there.contains(id)) records.deleted.push_back(id);
  }
  for (const storage::LoadedSearch& one : *loaded) {
    const auto known = searches_.find(one.search.id);
    if (known == searches_.end() || !(known->second.stored == one.search)) records.searches.push_back(one.search);
    for (const core::Candidate& candidate : one.candidates) {
      const bool same = known != searches_.end() && candidate.number <= known->second.candidates.size() &&
                        known->second.candidates[candidate.number - 1] == candidate;
      if (!same) records.candidates.emplace_back(one.search.id, candidate);
    }
    if (known != searches_.end() && one.candidates.size() < known->second.candidates.size()) {
      story_.Find("nothing lost", absl::StrCat("search ", one.search.id, " has lost candidates that were written"));
    }
  }
  Written(records);
  // Nobody observed the start times of what was written in a process's last moment.
  for (const auto& [id, candidate] : records.candidates) {
    if (const auto found = searches_.find(id); found != searches_.end()) found->second.time_is_unknown = true;
  }
  CheckAccepted();
}

void Book::Tell(const LeaseToken& token, const std::map<std::string, double>& metrics) {
  // The search was deleted in between, so nothing must be kept.
  if (!searches_.contains(token.search)) {
    if (!may_be_deleted_.contains(token.search)) {
      story_.Find("nothing lost",
                  absl::StrCat("a result of search ", token.search, ", which is not there, is accepted"));
    }
    return;
  }
  accepted_.push_back({token.search, token.number, token.attempt, metrics});
  if (const std::string why = WhyLost(accepted_.back()); !why.empty()) story_.Find("nothing lost", why);
}

void Book::CheckAccepted() const {
  for (const Accepted& one : accepted_) {
    if (const std::string why = WhyLost(one); !why.empty()) story_.Find("nothing lost", why);
  }
}

std::string Book::WhyLost(const Accepted& one) const {
  const auto found = searches_.find(one.search);
  if (found == searches_.end()) return absl::StrCat("search ", one.search, " is gone");
  const Search& search = found->second;
  if (one.number > search.candidates.size()) return absl::StrCat("candidate ", one.number, " is gone");
  const core::Candidate& candidate = search.candidates[one.number - 1];
  const bool measured = search.config->measure_on && one.attempt <= candidate.measured_attempt;
  const char* name = measured ? kCost : kReward;
  const auto value = one.metrics.find(name);
  if (value == one.metrics.end()) return absl::StrCat(NameOf(search, candidate), ": a result without ", name);
  if (!measured && candidate.state != core::CandidateState::kSucceeded) {
    return absl::StrCat(NameOf(search, candidate), ": a result was accepted, but it is in state ",
                        static_cast<int>(candidate.state));
  }
  if (candidate.metrics.Find(name) == value->second) return "";
  return absl::StrCat(NameOf(search, candidate), ": an accepted result is not there");
}

void Book::TimeIsUnknown(SteadyTime since) {
  for (auto& [id, search] : searches_) {
    if (!search.started || *search.started >= since) search.time_is_unknown = true;
  }
}

}  // namespace layernas::simulation
