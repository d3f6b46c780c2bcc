// What the evaluators of a world know: every number is a function of the search's evaluator and the architecture.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controller/core/candidate.h"
#include "controller/core/search_config.h"

namespace layernas::simulation {

inline constexpr char kReward[] = "accuracy";
inline constexpr char kCost[] = "latency";
// The metric in which a training repeats its seed, so that its reward can be checked.
inline constexpr char kSeed[] = "seed";

// In (0, 1); differs a little from seed to seed.
double RewardOf(std::uint64_t evaluator, std::string_view architecture, std::uint32_t seed);
// Above 0.
double CostOf(std::uint64_t evaluator, std::string_view architecture);
// Some evaluators cannot evaluate some architectures.
bool IsInfeasible(std::uint64_t evaluator, std::string_view architecture);

// Returns why the metrics of a candidate are not what its evaluator says of its architecture; empty if they are.
std::string WhyUntrue(const core::Candidate& candidate, const core::SearchConfig& config, std::uint64_t evaluator);

// Returns the id of an architecture as the wire has it.
std::string IdOf(const core::Space& space, const core::Architecture& architecture);

}  // namespace layernas::simulation
