// How each strategy is set up. Apart from the strategies, so that who only passes options on includes none of them.
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
  // Most passes over the layers, at least 1; a pass that changes nothing is the last. No pass worsens a bucket.
  int passes = 1;
  // Most trainings per stage, spread evenly over the buckets; 0 = no limit. A limit needs all of a stage's candidates
  // to choose from, and so rules out pipelining.
  int stage_limit = 0;
  // False: each stage waits for the one before, as in the paper.
  bool pipelined = true;
};

struct GuidedOptions {};

struct RandomOptions {};

struct EvolutionOptions {
  // Individuals alive, at least 2; as many are drawn at random first.
  int population = 20;
  // Individuals drawn to find a parent, at least 1.
  int sample = 5;
};

struct ExhaustiveOptions {};

using StrategyConfig = std::variant<LayerNasOptions, GuidedOptions, RandomOptions, EvolutionOptions, ExhaustiveOptions>;

}  // namespace layernas::core
