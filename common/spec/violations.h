// Collects violations in a spec, for the checks in this directory.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/spec/validate.h"

namespace layernas::spec {

// Maximum layers, and options per layer.
inline constexpr int kMaxItems = 1000;
// Maximum targets. Each answer with a search has an architecture per target.
inline constexpr int kMaxTargets = 200;
// Maximum bytes of a name, metric or label.
inline constexpr std::size_t kMaxTextBytes = 100;
// Maximum bytes of the spec, which is sent and stored with its search.
inline constexpr std::size_t kMaxSpecBytes = 2 << 20;
// Maximum violations, to limit the memory of the controller for a bad spec.
inline constexpr std::size_t kMaxViolations = 1000;

class Violations {
 public:
  // Ignored if there are already kMaxViolations.
  void Add(std::string field, std::string message);

  // Checks a name, metric or label: 1 to kMaxTextBytes bytes without control characters. `what`
  // describes it in messages.
  void CheckText(const std::string& field, std::string_view text, std::string_view what);
  // `max` is included.
  void CheckRange(const std::string& field, double value, double min, double max);
  void CheckAtLeast(const std::string& field, double value, double min);

  std::vector<Violation> Take() { return std::move(violations_); }

 private:
  std::vector<Violation> violations_;
};

// Returns for example "space.layers[3]".
std::string At(std::string_view list, int index);

}  // namespace layernas::spec
