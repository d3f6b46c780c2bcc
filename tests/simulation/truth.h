// The true metrics of a world. Every number is a function of the search's evaluator and the
// architecture.
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

// In (0, 1). It differs a little between seeds.
double RewardOf(std::uint64_t evaluator, std::string_view architecture, std::uint32_t seed);
// Greater than 0.
double CostOf(std::uint64_t evaluator, std::string_view architecture);
// Some evaluators cannot evaluate some architectures.
bool IsInfeasible(std::uint64_t evaluator, std::string_view architecture);

// Returns why a candidate's metrics differ from its evaluator's numbers for its architecture; empty
// if they do not.
std::string WhyUntrue(const core::Candidate& candidate, const core::SearchConfig& config, std::uint64_t evaluator);

// Returns the id of an architecture as in the API.
std::string IdOf(const core::Space& space, const core::Architecture& architecture);

}  // namespace layernas::simulation
