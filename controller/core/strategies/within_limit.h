// The architectures of a space that are wanted: those with a cost within a limit where the cost is known per layer, all
// of them where it is only measured. Found without trying the others, so that a few among 10^11 take milliseconds.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "controller/core/architecture.h"
#include "controller/core/architecture_index.h"
#include "controller/core/space.h"

namespace layernas::core {

// The highest of the targets; infinite if there are none.
double HighestTarget(std::span<const double> targets);

// Enumerates what is wanted in lexicographic order. Safe to read from any thread.
class WithinLimit {
 public:
  // `space` must outlive this. `limit` may be infinite.
  WithinLimit(const Space& space, double limit);

  // The cost as Space::Cost() sums it, held against the limit.
  bool Contains(const Architecture& architecture) const;
  // True if every architecture is wanted.
  bool IsEverything() const { return everything_; }

  // The first one; none if nothing is wanted.
  std::optional<Architecture> First() const;
  // The one after an architecture of the space, wanted or not; none after the last. O(layers + options) of steps, but
  // for what lies within the rounding of the limit.
  std::optional<Architecture> Next(Architecture architecture) const;
  // The exact number, counted one by one; none if it is above `most`.
  std::optional<std::size_t> CountUpTo(std::size_t most) const;
  // Calls visit(architecture) for each one, until it returns false.
  template <typename Visit>
  void ForEach(Visit visit) const;

  const Space& space() const { return space_; }
  double limit() const { return limit_; }
  // [layer][option]; 0 where the cost is only measured.
  const std::vector<std::vector<double>>& costs() const { return costs_; }
  // What the layers from this one on cost at the lowest: [layer], and 0 after the last.
  double CheapestFrom(std::size_t layer) const { return cheapest_from_[layer]; }
  // True if layers 0 … `layer` that cost `sum` leave enough for the rest.
  bool CanGoOn(double sum, std::size_t layer) const {
    return sum + cheapest_from_[layer + 1] <= (layer + 1 == costs_.size() ? bound_ : loose_bound_);
  }

 private:
  // Sets layer `layer` to its first option from `option` on that can go on, and the layers after it; goes back to the
  // layers before where there is none. `sums`: of the base and the layers before each layer. False at the end.
  bool Seek(Architecture& architecture, std::vector<double>& sums, std::size_t layer, std::size_t option) const;

  const Space& space_;
  double limit_;
  // The highest cost that is wanted, and the same with room for sums that are rounded in another order.
  double bound_ = 0;
  double loose_bound_ = 0;
  bool everything_ = false;
  std::vector<std::vector<double>> costs_;
  std::vector<double> cheapest_from_;
  // [layer][option]: the cheapest of this option and those after it.
  std::vector<std::vector<double>> cheapest_option_from_;
};

template <typename Visit>
void WithinLimit::ForEach(Visit visit) const {
  Architecture architecture(costs_.size(), 0);
  std::vector<double> sums(costs_.size() + 1, space_.base_cost);
  for (bool any = Seek(architecture, sums, 0, 0); any;) {
    if (!visit(architecture)) return;
    const std::size_t last = costs_.size() - 1;
    any = Seek(architecture, sums, last, std::size_t{architecture[last]} + 1);
  }
}

// The first of what is wanted that was not seen yet. As what was seen only grows, it only moves forward: O(1)
// amortised.
class FirstUnseen {
 public:
  // `wanted` must outlive this.
  explicit FirstUnseen(const WithinLimit& wanted) : wanted_(&wanted), at_(wanted.First()) {}

  // After `seen`, always of the same space, has grown.
  void Update(const ArchitectureIndex& seen) {
    while (at_ && seen.Contains(*at_)) at_ = wanted_->Next(*std::move(at_));
  }
  // As of the last Update(). None if all of what is wanted was seen.
  const std::optional<Architecture>& get() const { return at_; }

 private:
  const WithinLimit* wanted_;
  std::optional<Architecture> at_;
};

// Up to so many wanted architectures are counted one by one.
inline constexpr std::size_t kMostCounted = 100'000;

// How many of `size` wanted architectures are left, as long as one is, after `tried` of them; an estimate where they
// are too many to be counted.
std::size_t CountLeft(const Space& space, std::optional<std::size_t> size, std::size_t tried);

// Why nothing is left to propose after `tried` architectures within the highest target, for Supply::reason.
std::string WhyNothingIsLeft(const Space& space, std::span<const double> targets, std::size_t tried);

}  // namespace layernas::core
