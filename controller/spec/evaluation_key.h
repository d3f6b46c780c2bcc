// Which searches can use each other's results.
#pragma once

#include <string>

#include "layernas/v1/spec.pb.h"

namespace layernas {

// The same for two specs if, and only if, evaluators are shown the same for equal choices of options: the network, the
// layers with their options, how to train and measure, and what is required of the worker. Seeds of initial weights are
// not part of it. 32 bytes.
std::string EvaluationKey(const v1::SearchSpec& spec);

}  // namespace layernas
