// Statistics of a report. Pure functions; none takes more than O(n log n).
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

// Returns the indices of results that are better than all earlier ones, among the results whose
// cost is at most `target`.
std::vector<std::size_t> BestSoFar(std::span<const Score> in_order, double target);

// Returns, for each result, how much more reward the frontier offers at the same or a lower cost. 0
// for a result on the frontier, or above it by chance of a single training. `frontier` ascends in
// cost and reward. Only a new result can be cheaper than the first point.
std::vector<double> GapsToFrontier(std::span<const Score> frontier, std::span<const Score> results);

// The effect of an option compared with the mean option of its layer, if the other layers stay the
// same.
struct OptionEffect {
  std::size_t results = 0;
  double reward = 0;
  double cost = 0;
  // Half the width of the interval around `reward`. With a probability of 95 %, all intervals of a
  // report contain their true effects. Pure noise therefore hardly ever separates two intervals.
  // Infinite if there are too few results.
  double reward_margin = std::numeric_limits<double>::infinity();
};

// Returns the option of a layer whose interval is above the intervals of all other tried options;
// nothing if there is none.
std::optional<std::size_t> ToldApart(std::span<const OptionEffect> options);

// Returns the main effects of an additive model, by layer and option. The model is fitted by least
// squares with a little shrinkage, so that an option gets no credit for good options that it was
// always combined with. `choices` has one option index per layer for each result, below the number
// of options of the layer.
std::vector<std::vector<OptionEffect>> OptionEffects(std::span<const std::size_t> options_of_layer,
                                                     std::span<const std::vector<std::uint16_t>> choices,
                                                     std::span<const Score> results);

}  // namespace layernas::client
