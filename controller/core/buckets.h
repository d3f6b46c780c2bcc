// Cost buckets, and the table that keeps the best architectures of each: the memorial table of LayerNAS.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "controller/core/architecture.h"

namespace layernas::core {

// An architecture with its result.
struct Evaluated {
  Architecture architecture;
  double reward = 0;
  double cost = 0;

  bool operator==(const Evaluated&) const = default;
};

// The one order of merit: higher reward, then lower cost, then lower architecture. Total, so that the order in which
// results arrive can't matter.
bool Better(const Evaluated& a, const Evaluated& b);

// kAuto: at the quantiles of the costs that can still meet the largest target, stage by stage; only where the cost is
// known per layer.
enum class BucketScale { kLinear, kLogarithmic, kAuto };

struct BucketOptions {
  // At least 1. Unused with edges.
  int count = 20;
  BucketScale scale = BucketScale::kLinear;
  // The lowest and highest cost that matters; defaults are the strategy's.
  std::optional<double> min;
  std::optional<double> max;
  // Inner edges, ascending; n edges make n + 1 buckets.
  std::vector<double> edges;
};

// Maps a cost to a bucket; costs outside the range fall into the first or last one.
class BucketEdges {
 public:
  // One bucket.
  BucketEdges() = default;
  // options.edges if there are any, else options.count buckets between min and max (options' own win over the defaults
  // given here); a range that is empty makes one bucket. A logarithmic scale needs min > 0.
  static BucketEdges Make(const BucketOptions& options, double default_min, double default_max);
  // At most `count` buckets with equal shares of `costs` (not empty).
  static BucketEdges Quantiles(std::vector<double> costs, int count);

  std::size_t count() const { return inner_.size() + 1; }
  std::size_t IndexOf(double cost) const;
  // Lower (inclusive) and upper (exclusive) cost; the outermost are infinite.
  std::pair<double, double> Range(std::size_t bucket) const;

  bool operator==(const BucketEdges&) const = default;

 private:
  std::vector<double> inner_;
};

// The best `replicas` architectures of each bucket, best first.
class BucketTable {
 public:
  BucketTable(BucketEdges edges, int replicas);

  // Each architecture at most once.
  void Insert(const Evaluated& evaluated);

  const BucketEdges& edges() const { return edges_; }
  std::span<const Evaluated> Bucket(std::size_t bucket) const { return buckets_[bucket]; }
  std::size_t size() const { return size_; }
  // All entries, cheapest bucket first.
  std::vector<Evaluated> Entries() const;

  bool operator==(const BucketTable&) const = default;

 private:
  BucketEdges edges_;
  std::size_t replicas_;
  std::vector<std::vector<Evaluated>> buckets_;
  std::size_t size_ = 0;
};

}  // namespace layernas::core
