// What a report says about results beyond the results themselves. Pure; nothing here takes more than O(n log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
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
  // Half the width of the interval around `reward`. With a probability of 95 % all intervals of a report hold the
  // effects that they are about, so that of pure noise hardly ever two come apart. Infinite where nothing can be said.
  double reward_margin = std::numeric_limits<double>::infinity();
};

// The option of a layer whose interval is above those of all others that were tried; none if they are not told apart.
std::optional<std::size_t> ToldApart(std::span<const OptionEffect> options);

// Main effects of an additive model, fitted by least squares with a little shrinkage, so that an option that always
// came with good others gets no credit for them. By layer and option; `choices` has one option index per layer and
// result, below the layer's number of options.
std::vector<std::vector<OptionEffect>> OptionEffects(std::span<const std::size_t> options_of_layer,
                                                     std::span<const std::vector<std::uint16_t>> choices,
                                                     std::span<const Score> results);

}  // namespace layernas::client
