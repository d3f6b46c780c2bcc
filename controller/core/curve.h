// How a reward rises in the course of a training.
#pragma once

#include <vector>

namespace layernas::core {

// Floats, for there may be a million curves.
struct CurvePoint {
  // From 1.
  int epoch = 0;
  float reward = 0;

  bool operator==(const CurvePoint&) const = default;
};

// By epoch, ascending. Epochs that the evaluator said nothing of are missing.
using Curve = std::vector<CurvePoint>;

}  // namespace layernas::core
