// Collects what is wrong with a spec; for the checks of this folder.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/spec/validate.h"

namespace layernas::spec {

// Layers, and options per layer.
inline constexpr int kMostItems = 1000;
// Every answer that shows a search has an architecture for each of its targets.
inline constexpr int kMostTargets = 200;
// Bytes of a name, a metric's name or a label.
inline constexpr std::size_t kLongestText = 100;
// Bytes of the whole spec: it travels and is stored with its search.
inline constexpr std::size_t kLargestSpec = 2 << 20;
// A spec of nothing but mistakes must not cost the controller its memory.
inline constexpr std::size_t kMostViolations = 1000;

class Violations {
 public:
  // Dropped where there are kMostViolations.
  void Add(std::string field, std::string message);

  // A name, metric or label: 1 to kLongestText bytes without control characters. `what` names it to the reader.
  void CheckText(const std::string& field, std::string_view text, std::string_view what);
  // `max` included.
  void CheckRange(const std::string& field, double value, double min, double max);
  void CheckAtLeast(const std::string& field, double value, double min);

  std::vector<Violation> Take() { return std::move(violations_); }

 private:
  std::vector<Violation> violations_;
};

// "space.layers[3]"
std::string At(std::string_view list, int index);

}  // namespace layernas::spec
