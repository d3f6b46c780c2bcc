// Counts the parameters and multiply-adds of the architectures of a space, without building or
// training them. See common/network/counts.h for what is counted.
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

// Returns true for "params" and "multiply_adds", the names in spec and trainer.
bool IsCounted(std::string_view metric);
// Requires IsCounted(metric).
double CountOf(const network::Counts& counts, std::string_view metric);

// Immutable and thread-safe. One count takes some tens of microseconds.
class ArchitectureCounter {
 public:
  explicit ArchitectureCounter(const v1::Space& space);
  ~ArchitectureCounter();
  ArchitectureCounter(ArchitectureCounter&&) noexcept;

  // `choices`: one index per layer, each below the number of options of the layer.
  // INVALID_ARGUMENT, with the layer or field, if the shipped trainer cannot build the
  // architecture.
  absl::StatusOr<network::Counts> Count(std::span<const std::uint16_t> choices) const;

 private:
  struct Parts;
  std::unique_ptr<const Parts> parts_;
};

// The count of an architecture: `base` plus one number per layer.
struct PerLayerCounts {
  double base = 0;
  // By layer and option. Not negative; the minimum of each layer is 0.
  std::vector<std::vector<double>> costs;
};
// Every layer must have options. FAILED_PRECONDITION, with the layer, if the cost of an option
// depends on the options of other layers, because options have different output shapes.
// INVALID_ARGUMENT as above if an option cannot be built, or if counting would take more than about
// a second.
absl::StatusOr<PerLayerCounts> CountPerLayer(const v1::Space& space, std::string_view metric);

}  // namespace layernas::spec
