// The limits of a task's result and of a worker's call. Evaluators learn about them in
// worker/evaluator/protocol.h; workers and controllers observe them in their calls.
#pragma once

#include <cstddef>

namespace layernas {

// For one result.
inline constexpr std::size_t kMaxMetrics = 256;
// For a metric's name, a worker's id, a label or a lease token.
inline constexpr std::size_t kMaxNameBytes = 100;
inline constexpr std::size_t kMaxCurvePoints = 1'000;
inline constexpr std::size_t kMaxWeightsPathBytes = 4'096;
// For a failure's message in a call. The controller keeps kMaxKeptMessageBytes of it.
inline constexpr std::size_t kMaxMessageBytes = 8 << 10;
inline constexpr std::size_t kMaxKeptMessageBytes = 2'000;
// For the last part of an evaluator's standard error.
inline constexpr std::size_t kMaxLogBytes = 16 << 10;

// For one call.
inline constexpr int kMaxTasksPerCall = 64;
inline constexpr int kMaxCompletionsPerCall = 256;
inline constexpr int kMaxLeasesPerCall = 1'024;
inline constexpr int kMaxLabels = 64;

}  // namespace layernas
