// Options of the strategies. They are separate from the strategies, so code that only passes
// options on need not include them.
#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "controller/core/buckets.h"

namespace layernas::core {

struct LayerNasOptions {
  BucketOptions buckets;
  // Architectures kept per bucket, at least 1.
  int replicas = 1;
  // The order in which layers are decided: a permutation of 0 … L-1.
  std::vector<std::size_t> order;
  // Maximum passes over the layers, at least 1. A pass that changes nothing is the last. No pass
  // makes a bucket worse.
  int passes = 1;
  // Maximum trainings per stage, spread evenly over the buckets; 0 = no limit. A limit needs all
  // candidates of a stage at once, so it disables pipelining.
  int stage_limit = 0;
  // False: each stage waits for the previous one, as in the paper.
  bool pipelined = true;
};

struct GuidedOptions {};

struct RandomOptions {};

struct EvolutionOptions {
  // Size of the population, at least 2. The first individuals are drawn at random.
  int population = 20;
  // Individuals drawn to select a parent, at least 1.
  int sample = 5;
};

struct ExhaustiveOptions {};

using StrategyConfig = std::variant<LayerNasOptions, GuidedOptions, RandomOptions, EvolutionOptions, ExhaustiveOptions>;

}  // namespace layernas::core
