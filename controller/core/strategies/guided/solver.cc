#include "controller/core/strategies/guided/solver.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace layernas::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A partial architecture in a state. The state is what matters to the later layers: its last
// option, if that has effects together with options of the next layer. Otherwise all are in one
// state.
struct Label {
  double reward = 0;
  double cost = 0;
  // Its last option.
  OptionIndex option = 0;
  // State in the previous layer, and index among the labels of that state.
  OptionIndex previous_state = 0;
  std::uint32_t previous = 0;
};

// Maximum labels of one solution; sorting them takes about a tenth of a second.
constexpr std::size_t kMaxLabels = 20'000'000;
constexpr std::size_t kFewestBins = 16;

// Returns the effects of the pair (layer - 1, layer), or null.
const std::vector<double>* ChainEffects(const Surface& surface, std::size_t layer) {
  for (std::size_t p = 0; p < surface.pairs.size(); ++p) {
    if (surface.pairs[p].second == layer) return &surface.pair_effects[p];
  }
  return nullptr;
}

// Removes labels that are matched by one in a cheaper bin of many narrow bins. This is exact and
// leaves few labels to sort.
void DropMatched(std::vector<Label>& labels, std::size_t bins) {
  const auto [low, high] =
      std::minmax_element(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.cost < b.cost; });
  const double lowest = low->cost;
  const double per_cost = static_cast<double>(bins) / (high->cost - lowest);
  if (!std::isfinite(per_cost)) return;
  const auto bin_of = [&](const Label& label) { return static_cast<std::size_t>((label.cost - lowest) * per_cost); };
  // Best reward in the bin and in those before it.
  std::vector<double> best(bins + 1, -kInfinity);
  for (const Label& label : labels) best[bin_of(label)] = std::max(best[bin_of(label)], label.reward);
  for (std::size_t bin = 1; bin <= bins; ++bin) best[bin] = std::max(best[bin], best[bin - 1]);
  std::erase_if(labels, [&](const Label& label) {
    const std::size_t bin = bin_of(label);
    return bin > 0 && label.reward <= best[bin - 1];
  });
}

// Keeps the labels that no other matches at no more cost, ordered by cost. If they are more than
// the bins, keeps the best of each bin.
void Thin(std::vector<Label>& labels, std::size_t bins) {
  if (labels.size() > 2) DropMatched(labels, bins);
  std::sort(labels.begin(), labels.end(),
            [](const Label& a, const Label& b) { return a.cost != b.cost ? a.cost < b.cost : a.reward > b.reward; });
  double best = -kInfinity;
  std::erase_if(labels, [&best](const Label& label) {
    if (label.reward <= best) return true;
    best = label.reward;
    return false;
  });
  while (labels.size() > bins) {
    // Rewards ascend with cost: of two neighbours close in cost, the later one is better.
    std::vector<Label> kept;
    const double lowest = labels.front().cost;
    const double width = (labels.back().cost - lowest) / static_cast<double>(bins);
    std::size_t last_bin = 0;
    for (const Label& label : labels) {
      const auto bin = std::min(bins - 1, static_cast<std::size_t>((label.cost - lowest) / width));
      if (!kept.empty() && bin == last_bin) {
        kept.back() = label;
      } else {
        kept.push_back(label);
      }
      last_bin = bin;
    }
    labels = std::move(kept);
  }
}

// Returns [layer]: the number of states, 1 or the number of options. For the last layer it is the
// number of options, to get more solutions.
std::vector<std::size_t> CountStates(const Space& space, const Surface& reward, const Surface& cost) {
  std::vector<std::size_t> counts;
  for (std::size_t l = 0; l < space.layers.size(); ++l) {
    const bool matters =
        l + 1 == space.layers.size() || ChainEffects(reward, l + 1) != nullptr || ChainEffects(cost, l + 1) != nullptr;
    counts.push_back(matters ? space.layers[l].option_count : 1);
  }
  return counts;
}

// Returns the wanted number of bins, or fewer so that at most kMaxLabels labels are made.
std::size_t AffordableBins(const Space& space, const std::vector<std::size_t>& states, std::size_t wanted) {
  std::size_t labels_per_bin = 0;
  for (std::size_t l = 1; l < space.layers.size(); ++l) labels_per_bin += states[l - 1] * space.layers[l].option_count;
  return std::min(wanted, std::max(kFewestBins, kMaxLabels / std::max<std::size_t>(1, labels_per_bin)));
}

// From items with descending rewards, selects those that are among the first `most` within one of
// the limits. `cost_of` returns the cost of an item.
template <typename Item, typename CostOf>
std::vector<Item> Choose(const std::vector<Item>& items, std::span<const double> limits, std::size_t most,
                         CostOf cost_of) {
  std::vector<char> chosen(items.size());
  for (const double limit : limits) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < items.size() && found < most; ++i) {
      if (cost_of(items[i]) > limit) continue;
      chosen[i] = 1;
      ++found;
    }
  }
  std::vector<Item> kept;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (chosen[i] != 0) kept.push_back(items[i]);
  }
  return kept;
}

std::vector<Solution> SolveChain(const Space& space, const Surface& reward, const Surface& cost,
                                 std::span<const double> limits, std::size_t most, const SolverOptions& options) {
  const double limit = *std::max_element(limits.begin(), limits.end());
  const std::size_t layers = space.layers.size();
  const std::vector<std::size_t> states = CountStates(space, reward, cost);
  const std::size_t bins = AffordableBins(space, states, options.bins);
  // [layer][state]: minimum cost of the later layers.
  std::vector<std::vector<double>> rest(layers);
  for (std::size_t l = layers; l-- > 0;) {
    rest[l].assign(states[l], l + 1 == layers ? 0 : kInfinity);
    if (l + 1 == layers) continue;
    const std::vector<double>* pairs = ChainEffects(cost, l + 1);
    const std::size_t next_count = space.layers[l + 1].option_count;
    for (std::size_t state = 0; state < states[l]; ++state) {
      for (std::size_t next = 0; next < next_count; ++next) {
        const double pair = pairs == nullptr ? 0 : (*pairs)[state * next_count + next];
        const double after = rest[l + 1][states[l + 1] == 1 ? 0 : next];
        rest[l][state] = std::min(rest[l][state], cost.options[l + 1][next] + pair + after);
      }
    }
  }

  // [layer][state].
  std::vector<std::vector<std::vector<Label>>> labels(layers);
  for (std::size_t l = 0; l < layers; ++l) {
    const std::size_t count = space.layers[l].option_count;
    labels[l].resize(states[l]);
    const std::vector<double>* reward_pairs = l == 0 ? nullptr : ChainEffects(reward, l);
    const std::vector<double>* cost_pairs = l == 0 ? nullptr : ChainEffects(cost, l);
    std::size_t max_labels = 1;
    if (l > 0) {
      max_labels = 0;
      for (const std::vector<Label>& there : labels[l - 1]) max_labels += there.size();
    }
    for (std::size_t state = 0; state < states[l]; ++state) {
      labels[l][state].reserve(max_labels * (count / states[l]));
    }
    for (std::size_t o = 0; o < count; ++o) {
      const std::size_t state = states[l] == 1 ? 0 : o;
      std::vector<Label>& here = labels[l][state];
      const auto option = static_cast<OptionIndex>(o);
      const double own_reward = reward.options[l][o];
      const double own_cost = cost.options[l][o];
      if (l == 0) {
        if (cost.bias + own_cost + rest[0][state] <= limit)
          here.push_back({reward.bias + own_reward, cost.bias + own_cost, option, 0, 0});
        continue;
      }
      for (std::size_t before = 0; before < labels[l - 1].size(); ++before) {
        const std::vector<Label>& there = labels[l - 1][before];
        const double more_reward = own_reward + (reward_pairs == nullptr ? 0 : (*reward_pairs)[before * count + o]);
        const double more_cost = own_cost + (cost_pairs == nullptr ? 0 : (*cost_pairs)[before * count + o]);
        const double max_cost = limit - more_cost - rest[l][state];
        for (std::size_t i = 0; i < there.size() && there[i].cost <= max_cost; ++i) {
          here.push_back({there[i].reward + more_reward, there[i].cost + more_cost, option,
                          static_cast<OptionIndex>(before), static_cast<std::uint32_t>(i)});
        }
      }
    }
    for (std::vector<Label>& here : labels[l]) {
      Thin(here, bins);
      here.shrink_to_fit();
    }
  }

  struct End {
    double reward;
    double cost;
    std::size_t state;
    std::uint32_t label;
  };
  std::vector<End> ends;
  for (std::size_t state = 0; state < labels.back().size(); ++state) {
    for (std::size_t i = 0; i < labels.back()[state].size(); ++i) {
      const Label& label = labels.back()[state][i];
      ends.push_back({label.reward, label.cost, state, static_cast<std::uint32_t>(i)});
    }
  }
  std::sort(ends.begin(), ends.end(), [](const End& a, const End& b) { return a.reward > b.reward; });
  std::vector<Solution> solutions;
  for (const End& end : Choose(ends, limits, most, [](const End& one) { return one.cost; })) {
    Solution& solution = solutions.emplace_back();
    solution.architecture.resize(layers);
    solution.reward = end.reward;
    solution.cost = end.cost;
    std::size_t state = end.state;
    std::uint32_t at = end.label;
    for (std::size_t l = layers; l-- > 0;) {
      const Label& label = labels[l][state][at];
      solution.architecture[l] = label.option;
      state = label.previous_state;
      at = label.previous;
    }
  }
  return solutions;
}

// Returns the effects of option `option` of `layer` together with the options before it.
double Increment(const Surface& surface, const std::vector<std::vector<std::size_t>>& pairs_of,
                 const Architecture& partial, std::size_t layer, OptionIndex option) {
  double value = surface.options[layer][option];
  const std::size_t count = surface.options[layer].size();
  for (const std::size_t p : pairs_of[layer]) {
    value += surface.pair_effects[p][partial[surface.pairs[p].first] * count + option];
  }
  return value;
}

// Returns [layer]: the pairs in which it is the later layer.
std::vector<std::vector<std::size_t>> PairsOf(const Surface& surface) {
  std::vector<std::vector<std::size_t>> pairs_of(surface.options.size());
  for (std::size_t p = 0; p < surface.pairs.size(); ++p) pairs_of[surface.pairs[p].second].push_back(p);
  return pairs_of;
}

std::vector<Solution> SolveTable(const Space& space, const Surface& reward, const Surface& cost,
                                 std::span<const double> limits, std::size_t most, const SolverOptions& options) {
  const double limit = *std::max_element(limits.begin(), limits.end());
  const auto reward_pairs = PairsOf(reward);
  const auto cost_pairs = PairsOf(cost);
  // [layer]: a lower bound of the cost of the later layers.
  std::vector<double> rest(space.layers.size());
  for (std::size_t l = space.layers.size() - 1; l > 0; --l) {
    double cheapest = *std::min_element(cost.options[l].begin(), cost.options[l].end());
    for (const std::size_t p : cost_pairs[l]) {
      cheapest += *std::min_element(cost.pair_effects[p].begin(), cost.pair_effects[p].end());
    }
    rest[l - 1] = rest[l] + cheapest;
  }
  std::vector<Solution> partial = {{{}, reward.bias, cost.bias}};
  for (std::size_t l = 0; l < space.layers.size(); ++l) {
    std::vector<Solution> next;
    next.reserve(partial.size() * space.layers[l].option_count);
    for (const Solution& one : partial) {
      for (OptionIndex o = 0; o < space.layers[l].option_count; ++o) {
        const double total = one.cost + Increment(cost, cost_pairs, one.architecture, l, o);
        if (total + rest[l] > limit) continue;
        Solution& child = next.emplace_back(one);
        child.reward += Increment(reward, reward_pairs, one.architecture, l, o);
        child.cost = total;
        child.architecture.push_back(o);
      }
    }
    std::sort(next.begin(), next.end(), [](const Solution& a, const Solution& b) { return a.reward > b.reward; });
    if (l + 1 < space.layers.size() && next.size() > options.bins * options.replicas) {
      const auto [low, high] = std::minmax_element(
          next.begin(), next.end(), [](const Solution& a, const Solution& b) { return a.cost < b.cost; });
      const double lowest = low->cost;
      const double width = std::max((high->cost - lowest) / static_cast<double>(options.bins), 1e-300);
      std::vector<std::size_t> kept(options.bins + 1);
      std::erase_if(next, [&](const Solution& one) {
        return ++kept[static_cast<std::size_t>((one.cost - lowest) / width)] > options.replicas;
      });
    }
    partial = std::move(next);
  }
  return Choose(partial, limits, most, [](const Solution& one) { return one.cost; });
}

}  // namespace

std::vector<Solution> Solve(const Space& space, const Surface& reward, const Surface& cost,
                            std::span<const double> limits, std::size_t most, const SolverOptions& options) {
  return IsChain(reward.pairs) && IsChain(cost.pairs) ? SolveChain(space, reward, cost, limits, most, options)
                                                      : SolveTable(space, reward, cost, limits, most, options);
}

}  // namespace layernas::core
