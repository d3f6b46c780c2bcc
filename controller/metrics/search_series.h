// The series by search. They exist while the search runs, with a limited number per search.
#pragma once

#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/core/search.h"

namespace layernas {

// Returns the reward that is used at costs at which a search has no result: 0, or the reward of its
// first result if that is negative (for example if the reward is a negated loss). Returns nothing
// if the search has no result. The first result is the earliest, with the lowest number within the
// same millisecond. So it does not change as others arrive, nor with a restart, unless the clock is
// set back.
std::optional<double> LowestReward(const std::deque<core::Candidate>& candidates);

// Returns the mean, over costs from 0 to `target`, of the best reward at the same or a lower cost.
// `lowest` replaces lower rewards, and is used at costs without a result. This is the area between
// the frontier and `lowest` divided by its width, plus `lowest`. With the same `lowest`, a new
// result never decreases it. It increases it if the result is better than `lowest` and than all
// results at no more cost. A target of 0 or less has no width and returns `lowest`.
double MeanBestReward(const core::Frontier& frontier, double target, double lowest);

// Use it on one thread only.
class SearchSeries {
 public:
  // Maximum shown targets and buckets of a search, and points of its frontier.
  static constexpr std::size_t kMostTargets = 50;
  static constexpr std::size_t kMostBuckets = 100;
  static constexpr std::size_t kMostPoints = 20;

  explicit SearchSeries(prometheus::Registry& registry);

  // `waits`: the search has a candidate that no connected worker can take.
  void Set(const std::string& name, const core::Search& search, bool waits);
  void Forget(const std::string& name);

 private:
  using Family = prometheus::Family<prometheus::Gauge>;
  using Labels = std::map<std::string, std::string>;

  // The gauges of one search, each with its family.
  struct Series {
    std::map<std::pair<Family*, Labels>, prometheus::Gauge*> gauges;
    // Empty before the first result.
    std::optional<double> lowest_reward;
    // Position of the last shown table, so that it is not read again.
    core::Position table;
  };

  void Put(Series& series, const std::string& name, Family& family, double value, Labels labels = {});
  // Returns whether there was such a series.
  bool Remove(Series& series, const std::string& name, Family& family, Labels labels);
  void PutTable(Series& series, const std::string& name, const core::Search& search);
  void PutFrontier(Series& series, const std::string& name, const core::Search& search);

  Family& frontier_points_;
  Family& best_reward_;
  Family& mean_best_reward_;
  Family& candidates_;
  Family& trainings_;
  Family& trainings_budget_;
  Family& tasks_ready_;
  Family& waiting_;
  Family& paused_;
  Family& pass_;
  Family& stage_;
  Family& stages_;
  Family& buckets_;
  Family& buckets_filled_;
  Family& bucket_best_reward_;
  Family& frontier_reward_;
  Family& frontier_cost_;
  std::map<std::string, Series> searches_;
};

}  // namespace layernas
