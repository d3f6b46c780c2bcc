// One option per layer of a space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace layernas::core {

using OptionIndex = std::uint16_t;

// Option indices in the space's layer order (not in the order of decision). Compares lexicographically: that order
// breaks ties between equally good architectures.
using Architecture = std::vector<OptionIndex>;

// For hash tables: fast, and another one in another build.
struct ArchitectureHash {
  std::size_t operator()(const Architecture& architecture) const;
};

// DO NOT CHANGE: seeds are made of it, and a search that goes on after an upgrade is to have the same.
std::uint64_t Fingerprint(const Architecture& architecture);

}  // namespace layernas::core
