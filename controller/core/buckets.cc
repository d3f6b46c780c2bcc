#include "controller/core/buckets.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace layernas::core {

bool Better(const Evaluated& a, const Evaluated& b) {
  if (a.reward != b.reward) return a.reward > b.reward;
  if (a.cost != b.cost) return a.cost < b.cost;
  return a.architecture < b.architecture;
}

BucketEdges BucketEdges::Make(const BucketOptions& options, double default_min, double default_max) {
  BucketEdges result;
  if (!options.edges.empty()) {
    result.inner_ = options.edges;
    return result;
  }
  const double min = options.min.value_or(default_min);
  const double max = options.max.value_or(default_max);
  if (!(max > min)) return result;
  result.inner_.reserve(options.count - 1);
  for (int i = 1; i < options.count; ++i) {
    const double share = static_cast<double>(i) / options.count;
    result.inner_.push_back(options.scale == BucketScale::kLogarithmic ? min * std::pow(max / min, share)
                                                                       : min + (max - min) * share);
  }
  return result;
}

BucketEdges BucketEdges::Quantiles(std::vector<double> costs, int count) {
  std::sort(costs.begin(), costs.end());
  BucketEdges result;
  for (int i = 1; i < count; ++i) {
    const double edge = costs[i * costs.size() / count];
    if (edge > costs.front() && (result.inner_.empty() || edge > result.inner_.back())) result.inner_.push_back(edge);
  }
  return result;
}

std::size_t BucketEdges::IndexOf(double cost) const {
  return std::upper_bound(inner_.begin(), inner_.end(), cost) - inner_.begin();
}

std::pair<double, double> BucketEdges::Range(std::size_t bucket) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {bucket == 0 ? -kInfinity : inner_[bucket - 1], bucket == inner_.size() ? kInfinity : inner_[bucket]};
}

BucketTable::BucketTable(BucketEdges edges, int replicas)
    : edges_(std::move(edges)), replicas_(replicas), buckets_(edges_.count()) {}

void BucketTable::Insert(const Evaluated& evaluated) {
  std::vector<Evaluated>& bucket = buckets_[edges_.IndexOf(evaluated.cost)];
  const auto place = std::upper_bound(bucket.begin(), bucket.end(), evaluated, Better);
  if (bucket.size() == replicas_) {
    if (place == bucket.end()) return;
    std::move_backward(place, bucket.end() - 1, bucket.end());
    *place = evaluated;
    return;
  }
  bucket.insert(place, evaluated);
  ++size_;
}

std::vector<Evaluated> BucketTable::Entries() const {
  std::vector<Evaluated> entries;
  entries.reserve(size_);
  for (const auto& bucket : buckets_) entries.insert(entries.end(), bucket.begin(), bucket.end());
  return entries;
}

}  // namespace layernas::core
