// Draws the specs of simulated searches.
#pragma once

#include <string>

#include "layernas/v1/spec.pb.h"
#include "tests/simulation/draw.h"

namespace layernas::simulation {

// Returns a valid spec. Its evaluator is a number in space.network.classes, below `evaluators`. It
// may require the labels zone a, zone b, or late; workers only have the last one at the end.
v1::SearchSpec DrawSpec(Draw& draw, int evaluators);

// Returns a spec of one architecture that only the worker with this label can evaluate.
v1::SearchSpec ProbeSpec(const std::string& worker);

}  // namespace layernas::simulation
