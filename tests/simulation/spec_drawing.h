// Search specs of simulated worlds.
#pragma once

#include <string>

#include "layernas/v1/spec.pb.h"
#include "tests/simulation/draw.h"

namespace layernas::simulation {

// Returns a valid spec. Its evaluator is a number in space.network.classes; `evaluators` is how many there are to
// choose from. Labels that it requires: zone a or b, or late, which workers have only at the end.
v1::SearchSpec DrawSpec(Draw& draw, int evaluators);

// A spec of one architecture that only the worker with this label can evaluate.
v1::SearchSpec ProbeSpec(const std::string& worker);

}  // namespace layernas::simulation
