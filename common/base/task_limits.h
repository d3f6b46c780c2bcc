// What a task's result and a worker's call may hold at most. Evaluators are told about these limits where they answer
// (worker/evaluator/protocol.h), workers and controllers hold to them where they speak to each other.
#pragma once

#include <cstddef>

namespace layernas {

// One result.
inline constexpr std::size_t kMaxMetrics = 256;
// A metric's name, a worker's id, a label, a lease token.
inline constexpr std::size_t kMaxNameBytes = 100;
inline constexpr std::size_t kMaxCurvePoints = 1'000;
inline constexpr std::size_t kMaxWeightsPathBytes = 4'096;
// A failure's message on the wire; the controller keeps kMaxKeptMessageBytes of it.
inline constexpr std::size_t kMaxMessageBytes = 8 << 10;
inline constexpr std::size_t kMaxKeptMessageBytes = 2'000;
// The tail of what an evaluator wrote to standard error.
inline constexpr std::size_t kMaxLogBytes = 16 << 10;

// One call.
inline constexpr int kMaxTasksPerCall = 64;
inline constexpr int kMaxCompletionsPerCall = 256;
inline constexpr int kMaxLeasesPerCall = 1'024;
inline constexpr int kMaxLabels = 64;

}  // namespace layernas
