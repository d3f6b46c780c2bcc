// The series by search: there while the search runs, and for each search no more than a fixed number.
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

// What stands for the reward at costs at which a search has no result: 0, or the reward of its first result if that is
// negative (as where the reward is a loss with its sign turned). Nothing if it has no result. The first result is the
// one that came first, of those of the same millisecond that of the lowest number: it does not change as others arrive,
// nor with a restart, unless the clock is set back.
std::optional<double> LowestReward(const std::deque<core::Candidate>& candidates);

// Returns the mean, over costs from 0 to `target`, of the best reward at no more cost, where `lowest` stands for what
// is worse and for costs at which there is no result: the area between the frontier and `lowest`, over its width, on
// top of `lowest`. With the same `lowest` a result that is added never lowers it, and raises it if the result is better
// than `lowest` and than all at no more cost. A target of 0 or less has no width: `lowest`.
double MeanBestReward(const core::Frontier& frontier, double target, double lowest);

// For one thread.
class SearchSeries {
 public:
  // Of a search's targets and buckets, and of the points of its frontier, no more are shown.
  static constexpr std::size_t kMostTargets = 50;
  static constexpr std::size_t kMostBuckets = 100;
  static constexpr std::size_t kMostPoints = 20;

  explicit SearchSeries(prometheus::Registry& registry);

  // `waits`: it has a candidate that no connected worker can take.
  void Set(const std::string& name, const core::Search& search, bool waits);
  void Forget(const std::string& name);

 private:
  using Family = prometheus::Family<prometheus::Gauge>;
  using Labels = std::map<std::string, std::string>;

  // Gauges of one search, with the family that each is of.
  struct Series {
    std::map<std::pair<Family*, Labels>, prometheus::Gauge*> gauges;
    // None before the first result.
    std::optional<double> lowest_reward;
    // Of the table shown last, so that it is not looked through again.
    core::Position table;
  };

  void Put(Series& series, const std::string& name, Family& family, double value, Labels labels = {});
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
