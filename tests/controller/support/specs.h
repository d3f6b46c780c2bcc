// Small search specs, and an evaluation of their architectures that is always the same.
#pragma once

#include <string>

#include "controller/core/candidate.h"
#include "layernas/v1/spec.pb.h"

namespace layernas {

// Valid, except that it has no strategy. Every option has the cost latency_ms.
inline v1::SearchSpec SpaceOf(const std::string& name, int layers, int options) {
  v1::SearchSpec spec;
  spec.set_name(name);
  for (int i = 0; i < layers; ++i) {
    v1::Layer& layer = *spec.mutable_space()->add_layers();
    layer.set_name("layer" + std::to_string(i));
    for (int j = 0; j < options; ++j) {
      v1::Option& option = *layer.add_options();
      option.set_name("option" + std::to_string(j));
      (*option.mutable_costs())["latency_ms"] = 1 + j * (i + 1);
    }
  }
  spec.mutable_objective()->set_cost("latency_ms");
  return spec;
}

inline v1::SearchSpec RandomSpec(const std::string& name, int trainings, int layers = 4, int options = 4) {
  v1::SearchSpec spec = SpaceOf(name, layers, options);
  spec.mutable_strategy()->mutable_random();
  spec.mutable_budget()->set_trainings(trainings);
  return spec;
}

inline v1::SearchSpec LayerNasSpec(const std::string& name, int layers = 3, int options = 3) {
  v1::SearchSpec spec = SpaceOf(name, layers, options);
  spec.mutable_strategy()->mutable_layernas()->mutable_buckets()->set_count(8);
  return spec;
}

// Grows with the options, unevenly.
inline core::Metrics Evaluate(const core::Architecture& architecture) {
  double reward = 0;
  for (std::size_t i = 0; i < architecture.size(); ++i) {
    reward += static_cast<double>(architecture[i] * 7 % 5) / static_cast<double>(i + 2) + 0.01 * architecture[i];
  }
  return {{"accuracy", reward}};
}

}  // namespace layernas
