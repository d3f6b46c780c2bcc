// A set of architectures that takes little memory: a search may have a million of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "controller/core/architecture.h"

namespace layernas::core {

// Numbers the architectures of one space from 1, in the order in which they are added. O(1) per
// call. Takes two bytes per layer and about 16 more per architecture. Not thread-safe.
class ArchitectureIndex {
 public:
  // All architectures must have `layers` layers. At most 2^32 - 1 architectures.
  explicit ArchitectureIndex(std::size_t layers) : layers_(layers) {}

  // Returns the number of the architecture, or 0 if it was not added. If it was added twice,
  // returns either number.
  std::uint64_t Find(const Architecture& architecture) const;
  bool Contains(const Architecture& architecture) const { return Find(architecture) != 0; }
  // Adds the architecture, even if it was added before.
  void Add(const Architecture& architecture);
  // Adds the architecture if it was not added before. Returns whether it was added.
  bool Insert(const Architecture& architecture);
  std::size_t size() const { return size_; }

 private:
  // Part of the hash, and the number; the number is 0 if the slot is free.
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = 0;
  };

  const OptionIndex* Stored(std::uint64_t number) const;
  OptionIndex* Stored(std::uint64_t number);
  bool Equals(std::uint64_t number, const Architecture& architecture) const;
  void Place(Slot slot);
  void AddHashed(const Architecture& architecture, std::uint32_t hash);
  std::uint64_t FindHashed(const Architecture& architecture, std::uint32_t hash) const;

  const std::size_t layers_;
  std::size_t size_ = 0;
  // Each chunk holds the options of a fixed number of architectures, in the order of their numbers.
  // Growing moves nothing.
  std::vector<std::unique_ptr<OptionIndex[]>> chunks_;
  // Open addressing with linear probing; the size is a power of 2, or 0.
  std::vector<Slot> slots_;
};

}  // namespace layernas::core
