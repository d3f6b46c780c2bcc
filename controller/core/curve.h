// Learning curves: how the reward changes during a training.
#pragma once

#include <vector>

namespace layernas::core {

// Uses floats because there may be a million curves.
struct CurvePoint {
  // From 1.
  int epoch = 0;
  float reward = 0;

  bool operator==(const CurvePoint&) const = default;
};

// Points by ascending epoch. Epochs that the evaluator did not report are missing.
using Curve = std::vector<CurvePoint>;

}  // namespace layernas::core
