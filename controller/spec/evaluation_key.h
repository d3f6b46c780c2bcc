// Identifies searches that can use each other's results.
#pragma once

#include <string>

#include "layernas/v1/spec.pb.h"

namespace layernas {

// Returns a key of 32 bytes. Two specs have the same key if and only if evaluators see the same for
// equal choices of options. This includes the network, the layers with their options, how to train
// and measure, and the required worker labels. It does not include the seeds of initial weights.
std::string EvaluationKey(const v1::SearchSpec& spec);

}  // namespace layernas
