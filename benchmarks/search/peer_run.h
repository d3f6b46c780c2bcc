// Runs a peer on a problem, and judges its results.
#pragma once

#include <string>
#include <vector>

#include "benchmarks/search/judge.h"
#include "benchmarks/search/problem.h"

namespace layernas::bench {

// Runs the peer with this name (PeerNames()) for one target. It trains one architecture at a time and
// does not know its budget, so one run has the results of all numbers of `trainings`, which must be
// ascending. Its answer is the best reward that meets the target.
std::vector<RunResult> RunPeer(const Problem& problem, const std::string& name, double target, std::uint64_t seed,
                               const std::vector<int>& trainings);

}  // namespace layernas::bench
