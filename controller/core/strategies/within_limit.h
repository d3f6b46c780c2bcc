// Which architectures of a space a strategy wants: if the cost is known per layer, those with a cost that meets a
// limit; if the cost is only measured, all of them. They are found without a look at the others, so that a few among
// 10^11 take milliseconds.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "controller/core/architecture.h"
#include "controller/core/architecture_index.h"
#include "controller/core/space.h"

namespace layernas::core {

// Returns the highest of the targets, or infinity if there are none.
double HighestTarget(std::span<const double> targets);

// Enumerates the wanted architectures in lexicographic order: a depth-first search that leaves a branch as soon as the
// cheapest options of the remaining layers exceed the limit. Immutable; safe to read from any thread.
class WithinLimit {
 public:
  // `space` must outlive this. `limit` may be infinite.
  WithinLimit(const Space& space, double limit);
  // The same space with another limit. The costs are shared, so that hundreds of limits take no more memory than one.
  WithinLimit(const WithinLimit& other, double limit);
  // Others refer to it.
  WithinLimit(const WithinLimit&) = delete;
  WithinLimit& operator=(const WithinLimit&) = delete;

  // Returns true if the architecture is wanted: Space::Cost() of it meets the limit (common/base/cost_limit.h).
  bool Contains(const Architecture& architecture) const;
  // Returns true if every architecture of the space is wanted.
  bool IsEverything() const { return everything_; }

  // Returns the first wanted architecture, or none if nothing is wanted.
  std::optional<Architecture> First() const;
  // Returns the first wanted architecture after the given one, which need not be wanted itself, or none after the last.
  // O(layers * options).
  std::optional<Architecture> Next(Architecture architecture) const;
  // Returns the exact number of wanted architectures, or none if it is above `most`. O(most * layers).
  std::optional<std::size_t> CountUpTo(std::size_t most) const;
  // Calls visit(architecture) for each wanted architecture, until it returns false.
  template <typename Visit>
  void ForEach(Visit visit) const;

  const Space& space() const { return space_; }
  double limit() const { return limit_; }
  // [layer][option]; 0 where the cost is only measured.
  const std::vector<std::vector<double>>& costs() const { return table_->costs; }
  // Returns the lowest cost of the layers from `layer` on; 0 after the last layer.
  double CheapestFrom(std::size_t layer) const { return table_->cheapest_from[layer]; }
  // Returns true if something wanted begins with layers 0 … `layer` that cost `sum`, the base cost included.
  bool CanGoOn(double sum, std::size_t layer) const {
    return sum + table_->cheapest_from[layer + 1] <= (layer + 1 == costs().size() ? bound_ : loose_bound_);
  }

 private:
  // What does not depend on the limit.
  struct Table {
    explicit Table(const Space& space);

    std::vector<std::vector<double>> costs;
    std::vector<double> cheapest_from;
    // [layer][option]: the cheapest of this option and those after it.
    std::vector<std::vector<double>> cheapest_option_from;
    // Of all architectures.
    double dearest = 0;
  };

  WithinLimit(const Space& space, std::shared_ptr<const Table> table, double limit);

  // Moves on to the first wanted architecture that has the given layers before `layer` and an option of at least
  // `option` there, or that comes later. `sums[l]` is the cost of the base and the layers before `l`, up to `layer`.
  // Returns false if there is none.
  bool Seek(Architecture& architecture, std::vector<double>& sums, std::size_t layer, std::size_t option) const;

  const Space& space_;
  double limit_;
  // The highest cost that is wanted, and the same with room for sums that are added in another order.
  double bound_ = 0;
  double loose_bound_ = 0;
  bool everything_ = false;
  std::shared_ptr<const Table> table_;
};

template <typename Visit>
void WithinLimit::ForEach(Visit visit) const {
  Architecture architecture(costs().size(), 0);
  std::vector<double> sums(costs().size() + 1, space_.base_cost);
  for (bool any = Seek(architecture, sums, 0, 0); any;) {
    if (!visit(architecture)) return;
    const std::size_t last = costs().size() - 1;
    any = Seek(architecture, sums, last, std::size_t{architecture[last]} + 1);
  }
}

// Tells whether a wanted architecture is left that was not seen yet, and which one is the first. As the set of seen
// architectures only grows, this only moves forward: each architecture is looked at once in all. Not thread-safe.
class FirstUnseen {
 public:
  // `wanted` must outlive this.
  explicit FirstUnseen(const WithinLimit& wanted) : wanted_(&wanted), at_(wanted.First()) {}

  // Call after `seen`, which is always the same set, has grown.
  void Update(const ArchitectureIndex& seen) {
    while (at_ && seen.Contains(*at_)) at_ = wanted_->Next(*std::move(at_));
  }
  // Returns the first one as of the last Update(), or none if everything wanted was seen.
  const std::optional<Architecture>& get() const { return at_; }

 private:
  const WithinLimit* wanted_;
  std::optional<Architecture> at_;
};

// Wanted architectures are counted exactly up to this number.
inline constexpr std::size_t kMaxCounted = 100'000;

// Returns how many of `size` wanted architectures are left after `tried` of them; at least 1. `size` is none if they
// are too many to be counted: then this is an estimate.
std::size_t CountLeft(const Space& space, std::optional<std::size_t> size, std::size_t tried);

// Returns the reason for Supply::reason once all `tried` architectures within the highest target were tried.
std::string WhyNothingIsLeft(const Space& space, std::span<const double> targets, std::size_t tried);

}  // namespace layernas::core
