// The search space: what can be chosen, and what it costs where that is known before training.
#pragma once

#include <string>
#include <vector>

#include "controller/core/architecture.h"

namespace layernas::core {

struct Layer {
  std::string name;
  // At least 1.
  OptionIndex option_count = 1;
  // The option that stands while the layer is undecided.
  OptionIndex default_option = 0;
  // One cost per option, or empty where the cost is only measured. Non-negative.
  std::vector<double> costs;
  // Of the options, or empty. What is called the same in several layers is taken to be the same kind of thing.
  std::vector<std::string> option_names = {};
};

// Immutable once built; safe to read from any thread.
struct Space {
  std::vector<Layer> layers;
  // Cost of what every architecture contains.
  double base_cost = 0;

  // True if every layer has costs: then the cost of an architecture is base_cost plus their sum, known untrained.
  bool CostIsPerLayer() const;
  // Requires CostIsPerLayer().
  double Cost(const Architecture& architecture) const;
  double CheapestCost() const;
  double DearestCost() const;
  // Number of architectures; a double, for it can be astronomical.
  double Size() const;
  Architecture Default() const;
};

}  // namespace layernas::core
