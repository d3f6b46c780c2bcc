// What a report says about results beyond the results themselves. Pure; nothing here takes more than O(n log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace layernas::client {

struct Score {
  double reward = 0;
  double cost = 0;
};

// Indices of those that are better than all before them, of those whose cost is at most `target`.
std::vector<std::size_t> BestSoFar(std::span<const Score> in_order, double target);

// For each result, how much more reward the frontier offers at no more cost: 0 for what is on it (or, by luck of a
// single training, above). `frontier` ascends in cost and reward. Nothing is cheaper than its first point unless it is
// new.
std::vector<double> GapsToFrontier(std::span<const Score> frontier, std::span<const Score> results);

// What an option of a layer brings, other layers being equal, against the mean option of its layer.
struct OptionEffect {
  std::size_t results = 0;
  double reward = 0;
  double cost = 0;
};

// Main effects of an additive model, fitted by least squares with a little shrinkage, so that an option that always
// came with good others gets no credit for them. By layer and option; `choices` has one option index per layer and
// result, below the layer's number of options.
std::vector<std::vector<OptionEffect>> OptionEffects(std::span<const std::size_t> options_of_layer,
                                                     std::span<const std::vector<std::uint16_t>> choices,
                                                     std::span<const Score> results);

}  // namespace layernas::client
