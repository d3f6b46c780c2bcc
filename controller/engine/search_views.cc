#include "controller/engine/search_views.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/statistics.h"

namespace layernas {
namespace {

std::string FormatLabels(const std::map<std::string, std::string>& labels) {
  if (labels.empty()) return "no labels";
  // A minimum is shown as memory>=16.
  return absl::StrJoin(labels, ", ", [](std::string* out, const auto& label) {
    absl::StrAppend(out, label.first, label.second.starts_with(">=") ? "" : "=", label.second);
  });
}

// Returns the name of the layer being decided.
std::string LayerAt(const core::SearchConfig& config, core::Position position) {
  const auto* layernas = std::get_if<core::LayerNasOptions>(&config.strategy);
  if (layernas == nullptr || position.stage == 0) return "";
  return config.space.layers[layernas->order[position.stage - 1]].name;
}

WinnerView MakeWinner(const core::Search& search, std::uint64_t number) {
  WinnerView view;
  view.candidate = number;
  view.architecture = search.candidate(number)->architecture;
  view.trainings = search.config().finals.seeds;
  std::vector<double> rewards;
  std::vector<double> costs;
  std::vector<const core::Candidate*> kept;
  for (std::uint64_t i = search.first_final(); i != 0 && i <= search.candidates().size(); ++i) {
    const core::Candidate& candidate = *search.candidate(i);
    if (candidate.final_of != number) continue;
    view.finals.push_back(i);
    if (candidate.state != core::CandidateState::kSucceeded) continue;
    rewards.push_back(candidate.reward);
    costs.push_back(candidate.cost);
    if (!candidate.weights.empty()) kept.push_back(&candidate);
  }
  std::stable_sort(kept.begin(), kept.end(), [](const auto* a, const auto* b) { return a->reward > b->reward; });
  for (const core::Candidate* one : kept) view.weights.emplace_back(one->weights.front(), one->worker);
  if (rewards.empty()) return view;
  view.succeeded = static_cast<int>(rewards.size());
  view.cost = core::Mean(costs);
  view.reward = core::Mean(rewards);
  view.reward_deviation = core::Deviation(rewards);
  return view;
}

// Returns a kind of task for which all workers are missing or shunned, while none of the search's
// candidates is in progress.
std::optional<core::TaskKind> WaitingKind(const core::Search& search, WorkerBook& workers) {
  if (search.CountOf(core::CandidateState::kLeased) > 0) return std::nullopt;
  for (const core::TaskKind kind : search.kinds()) {
    if (search.Ready(kind) == 0) continue;
    const WorkerBook::Fit& fit = workers.FitOf(search.RequireOf(kind));
    if (fit.shunned == fit.connected) return kind;
  }
  return std::nullopt;
}

// Returns what such a task waits for. Visits every worker if none has the labels.
std::string WaitingForWorker(const std::map<std::string, std::string>& require, WorkerBook& book) {
  const auto& workers = book.workers();
  if (book.FitOf(require).connected > 0) {
    return "a worker: all matching workers are shunned for now because their attempts kept failing";
  }
  const auto is_there = [](const auto& worker) { return !worker.second.away; };
  const auto there = static_cast<std::size_t>(std::count_if(workers.begin(), workers.end(), is_there));
  if (there == 0) {
    return require.empty() ? "a worker: none is connected; start one with layernas-worker"
                           : absl::StrCat("a worker labelled ", FormatLabels(require),
                                          ": none is connected; start one with layernas-worker --label …");
  }
  // The few workers that lack the fewest labels are enough to show what is wrong. The others get no
  // text, because there may be thousands.
  constexpr std::size_t kShown = 5;
  std::multimap<std::size_t, const WorkerInfo*> nearest;
  for (const auto& [id, worker] : workers) {
    if (worker.away) continue;
    nearest.emplace(LackingOf(worker.info, require).size(), &worker.info);
    if (nearest.size() > kShown) nearest.erase(std::prev(nearest.end()));
  }
  std::vector<std::string> shown;
  for (const auto& [lacks, worker] : nearest) {
    // The missing labels are listed only if the worker has some of the required ones.
    const std::string lacking =
        lacks < require.size() ? absl::StrCat("; lacks ", FormatLabels(LackingOf(*worker, require))) : "";
    shown.push_back(absl::StrCat(worker->id, " (", FormatLabels(worker->labels), lacking, ")"));
  }
  return absl::StrCat("a worker labelled ", FormatLabels(require), ": none of the ", there,
                      " connected workers matches: ", absl::StrJoin(shown, ", "), there > kShown ? ", …" : "");
}

// Makes the view of a search that this version cannot continue.
SearchView MakeBrokenView(const SearchEntry& entry) {
  SearchView view;
  view.name = entry.name;
  view.spec = entry.spec;
  view.state = entry.state();
  view.state_reason =
      absl::StrCat("this version of layernas cannot continue the search: ", entry.why_broken, "; its data is kept",
                   entry.stored.state_reason.empty() ? "" : "; it ended with: ", entry.stored.state_reason);
  view.created = entry.stored.created;
  view.ended = entry.stored.ended;
  view.candidates = entry.broken_counts;
  view.sequence = entry.sequence;
  return view;
}

}  // namespace

SearchView MakeView(const SearchEntry& entry, WorkerBook& workers) {
  if (entry.IsBroken()) return MakeBrokenView(entry);
  const core::Search& search = *entry.search;
  SearchView view;
  view.name = entry.name;
  view.spec = entry.spec;
  view.sharing = search.sharing();
  view.state = search.state();
  view.state_reason = search.state_reason();
  view.created = search.created();
  view.ended = search.ended();
  view.position = search.position();
  if (std::holds_alternative<core::LayerNasOptions>(search.config().strategy)) {
    view.stage_count = static_cast<int>(search.config().space.layers.size());
  }
  view.layer = LayerAt(search.config(), search.position());
  view.trainings = search.trainings();
  view.trainings_budget = search.config().trainings;
  for (int state = 1; state <= static_cast<int>(core::CandidateState::kStopped); ++state) {
    const auto candidate_state = static_cast<core::CandidateState>(state);
    view.candidates[candidate_state] = search.CountOf(candidate_state);
  }
  view.ready = search.Ready();
  const auto& points = search.frontier().points();
  view.frontier_size = points.size();
  for (const core::BestWithinTarget& one : search.BestPerTarget()) {
    TargetView& target = view.targets.emplace_back();
    target.target = one.target;
    if (one.candidate != 0) {
      target.best = MakePoint(search, one.candidate);
    } else if (!points.empty()) {
      target.nearest = MakePoint(search, points.begin()->second.candidate);
    }
  }
  // A search that ended before its full trainings started has no winners: they are not stored, and
  // a restart would not know them.
  if (search.first_final() != 0 || !core::IsFinal(search.state())) {
    for (const std::uint64_t winner : search.winners()) view.winners.push_back(MakeWinner(search, winner));
  }
  view.waiting_for = WaitingFor(search, workers);
  view.sequence = entry.sequence;
  return view;
}

PointView MakePoint(const core::Search& search, std::uint64_t number) {
  const core::Candidate& first = *search.candidate(number);
  const std::vector<std::uint64_t> repeats = search.standings().RepeatsWithResult(number);
  PointView point{number, first.architecture, *search.standings().Of(number), first.metrics};
  if (repeats.empty()) return point;
  std::vector<std::pair<std::string, double>> means;
  for (const auto& [name, value] : first.metrics) {
    std::vector<double> reported = {value};
    for (const std::uint64_t repeat : repeats) {
      if (const auto again = search.candidate(repeat)->metrics.Find(name)) reported.push_back(*again);
    }
    means.emplace_back(name, core::Mean(reported));
  }
  point.metrics = core::Metrics(std::move(means));
  return point;
}

std::string WaitingFor(const core::Search& search, WorkerBook& workers) {
  const std::optional<core::TaskKind> kind = WaitingKind(search, workers);
  return kind ? WaitingForWorker(search.RequireOf(*kind), workers) : "";
}

bool Waits(const core::Search& search, WorkerBook& workers) { return WaitingKind(search, workers).has_value(); }

std::vector<BucketView> MakeBuckets(const core::Search& search, const core::StageTable& table) {
  std::vector<BucketView> buckets;
  for (std::size_t i = 0; i < table.table.edges().count(); ++i) {
    const auto entries = table.table.Bucket(i);
    if (entries.empty()) continue;
    const auto [lower, upper] = table.table.edges().Range(i);
    BucketView& bucket = buckets.emplace_back(BucketView{table.position, static_cast<int>(i), lower, upper, {}});
    for (const core::Evaluated& one : entries) {
      const std::uint64_t number = search.NumberOf(one.architecture);
      const core::Candidate* candidate = search.candidate(number);
      const bool is_estimate = candidate != nullptr && candidate->state == core::CandidateState::kStopped;
      bucket.entries.push_back({number, one, is_estimate});
    }
  }
  return buckets;
}

}  // namespace layernas
