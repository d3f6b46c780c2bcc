// Cost buckets, and the table of the best architectures of each bucket: the memorial table of
// LayerNAS.
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

// Orders results: higher reward first, then lower cost, then lower architecture. The order is
// total, so the order in which results arrive does not matter.
bool Better(const Evaluated& a, const Evaluated& b);

// kAuto places the edges at the quantiles of the costs that can still meet the largest target,
// separately for each stage. It requires a cost that is known per layer.
enum class BucketScale { kLinear, kLogarithmic, kAuto };

struct BucketOptions {
  // At least 1. Not used if there are edges.
  int count = 20;
  BucketScale scale = BucketScale::kLinear;
  // The lowest and highest cost that matter. The strategy sets the defaults.
  std::optional<double> min;
  std::optional<double> max;
  // Inner edges, ascending; n edges make n + 1 buckets.
  std::vector<double> edges;
};

// Maps costs to buckets. Costs outside the range fall into the first or last bucket.
class BucketEdges {
 public:
  // Makes one bucket.
  BucketEdges() = default;
  // Uses options.edges if there are any. Otherwise makes options.count buckets between min and max;
  // the options' own min and max override the defaults given here. An empty range makes one bucket.
  // A logarithmic scale requires min > 0.
  static BucketEdges Make(const BucketOptions& options, double default_min, double default_max);
  // Makes at most `count` buckets with equal shares of `costs`, which must not be empty.
  static BucketEdges Quantiles(std::vector<double> costs, int count);

  std::size_t count() const { return inner_.size() + 1; }
  std::size_t IndexOf(double cost) const;
  // Returns the lower (inclusive) and upper (exclusive) cost. The outermost bounds are infinite.
  std::pair<double, double> Range(std::size_t bucket) const;

  bool operator==(const BucketEdges&) const = default;

 private:
  std::vector<double> inner_;
};

// Keeps the best `replicas` architectures of each bucket, best first.
class BucketTable {
 public:
  BucketTable(BucketEdges edges, int replicas);

  // Each architecture may be inserted only once.
  void Insert(const Evaluated& evaluated);

  const BucketEdges& edges() const { return edges_; }
  std::span<const Evaluated> Bucket(std::size_t bucket) const { return buckets_[bucket]; }
  std::size_t size() const { return size_; }
  // Returns all entries, cheapest bucket first.
  std::vector<Evaluated> Entries() const;

  bool operator==(const BucketTable&) const = default;

 private:
  BucketEdges edges_;
  std::size_t replicas_;
  std::vector<std::vector<Evaluated>> buckets_;
  std::size_t size_ = 0;
};

}  // namespace layernas::core
