// The checks of ValidateSpec, by part of the spec.
#pragma once

#include <cstdint>
#include <optional>

#include "common/spec/costs.h"
#include "common/spec/violations.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

// The maximum of durations. It also keeps milliseconds far from overflow.
inline constexpr std::int64_t kMaxDurationSeconds = std::int64_t{10} * 365 * 24 * 3600;

// Returns the finalists of the spec, which it must have, with their defaults.
v1::Finalists WithFinalistDefaults(const v1::SearchSpec& spec);

void CheckStrategy(const v1::SearchSpec& spec, const std::optional<CostBounds>& bounds, Violations& violations);

}  // namespace layernas::spec
