// The search space: what can be chosen, and its cost if that is known before training.
#pragma once

#include <string>
#include <vector>

#include "controller/core/architecture.h"

namespace layernas::core {

struct Layer {
  std::string name;
  // At least 1.
  OptionIndex option_count = 1;
  // The option that is used while the layer is undecided.
  OptionIndex default_option = 0;
  // One cost per option, or empty if the cost is only measured. Not negative.
  std::vector<double> costs;
  // Names of the options, or empty. The same name in several layers means the same kind of option.
  std::vector<std::string> option_names = {};
};

// Immutable after construction; any thread may read it.
struct Space {
  std::vector<Layer> layers;
  // Cost of the parts that every architecture contains.
  double base_cost = 0;

  // Returns whether every layer has costs. The cost of an architecture is then base_cost plus their
  // sum, known without training.
  bool CostIsPerLayer() const;
  // Requires CostIsPerLayer().
  double Cost(const Architecture& architecture) const;
  double CheapestCost() const;
  double DearestCost() const;
  // Number of architectures. A double because it can exceed the range of integers.
  double Size() const;
  Architecture Default() const;
};

}  // namespace layernas::core
