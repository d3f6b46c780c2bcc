// Draws uniformly from the architectures within a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/strategies/within_limit.h"

namespace layernas::core {

// Draws uniformly from the wanted architectures. If they are few, it draws from a list. Otherwise
// it counts the completions of each partial architecture on a grid of rounded-down costs, draws by
// these counts, and draws again if the exact cost exceeds the limit. With hundreds of layers the
// grid is coarse and the draws are only nearly uniform. The same holds if the limit is a small part
// of the limit that the grid was made for. Immutable; any thread may read it.
class LimitSampler {
 public:
  // `wanted` must outlive this object. Takes milliseconds if the limit excludes anything.
  explicit LimitSampler(const WithinLimit& wanted);
  // Constructs one of `sharers` samplers for lower limits of the same space. It uses the grid of
  // `wider`, if there is one. All sharers together take no more time and memory for their lists
  // than one sampler.
  LimitSampler(const WithinLimit& wanted, const LimitSampler& wider, std::size_t sharers);

  // Returns the exact number of wanted architectures, or none if it is above kMaxCounted divided by
  // the sharers.
  const std::optional<std::size_t>& size() const { return size_; }
  // Returns a wanted architecture. Requires that one exists.
  Architecture Draw(RandomStream& random) const;
  // Returns a wanted architecture that is not in `seen`, or none if all are. The draw is uniform
  // while random draws still find one. After many futile draws, it searches in lexicographic order,
  // starting after the last drawn architecture.
  std::optional<Architecture> DrawUnseen(RandomStream& random, const ArchitectureIndex& seen) const;

 private:
  struct Grid {
    // [layer][option]: cost above the layer's cheapest option, in cells, rounded down. At most the
    // number of cells plus one.
    std::vector<std::vector<std::uint16_t>> excess;
    // [layer][cells left]: the number of completions from this layer on. Each layer has its own
    // unit.
    std::vector<std::vector<double>> completions;
    double cells_per_cost = 0;

    std::size_t cells() const { return completions.back().size() - 1; }
  };

  Architecture Listed(std::size_t index) const;
  Architecture DrawAny(RandomStream& random) const;
  void Prepare(const LimitSampler* wider, std::size_t sharers);
  // Returns the difference between the limit and the cost of the cheapest architecture.
  double CostLeft() const;
  std::shared_ptr<const Grid> MakeGrid() const;
  // Returns whether the exact cost excludes nearly all draws on the grid.
  bool IsCoarse(std::size_t sharers) const;
  // Returns none if the exact cost exceeds the limit. With `keep_within` it takes only options
  // after which the limit can be met: then it rarely returns none, but the draw is only nearly
  // uniform.
  std::optional<Architecture> DrawOnGrid(RandomStream& random, bool keep_within) const;

  const WithinLimit& wanted_;
  std::optional<std::size_t> size_;
  // The options of all wanted architectures, in lexicographic order; empty if they are too many or
  // if all are wanted.
  std::vector<OptionIndex> list_;
  // Null if no grid is needed.
  std::shared_ptr<const Grid> grid_;
  // Number of cells within the limit.
  std::size_t cells_left_ = 0;
  // Draw() must keep within the limit.
  bool coarse_ = false;
};

}  // namespace layernas::core
