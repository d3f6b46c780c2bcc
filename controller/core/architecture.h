// One option per layer of a space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace layernas::core {

using OptionIndex = std::uint16_t;

// Option indices in the space's layer order (not in the order of decision). Compares
// lexicographically: that order breaks ties between equally good architectures.
using Architecture = std::vector<OptionIndex>;

// Hash function for hash tables. It is fast; its values may differ between builds.
struct ArchitectureHash {
  std::size_t operator()(const Architecture& architecture) const;
};

// DO NOT CHANGE: seeds are derived from it, and a search that continues after an upgrade must keep
// its seeds.
std::uint64_t Fingerprint(const Architecture& architecture);

}  // namespace layernas::core
