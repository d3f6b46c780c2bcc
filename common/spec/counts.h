// Parameters and multiply-adds of a space's architectures, counted without building or training anything
// (common/network/counts.h says what is counted).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/network/counts.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

// Both as spec and trainer call them: "params", "multiply_adds".
bool IsCounted(std::string_view metric);
// Requires IsCounted(metric).
double CountOf(const network::Counts& counts, std::string_view metric);

// Immutable; safe to use from any thread. One count takes some tens of microseconds.
class ArchitectureCounter {
 public:
  explicit ArchitectureCounter(const v1::Space& space);
  ~ArchitectureCounter();
  ArchitectureCounter(ArchitectureCounter&&) noexcept;

  // One index per layer, each below that layer's number of options. INVALID_ARGUMENT, naming the layer or the field,
  // for what the shipped trainer could not build.
  absl::StatusOr<network::Counts> Count(std::span<const std::uint16_t> choices) const;

 private:
  struct Parts;
  std::unique_ptr<const Parts> parts_;
};

// An architecture's count as `base` plus one number per layer.
struct PerLayerCounts {
  double base = 0;
  // By layer and option. Not negative; the minimum of each layer is 0.
  std::vector<std::vector<double>> costs;
};
// Every layer must have options. FAILED_PRECONDITION, naming a layer, where the cost of an option depends on the
// options of other layers: where options differ in what they hand on, as those with different channels do.
// INVALID_ARGUMENT as above if any option can't be built, or if counting would take more than about a second.
absl::StatusOr<PerLayerCounts> CountPerLayer(const v1::Space& space, std::string_view metric);

}  // namespace layernas::spec
