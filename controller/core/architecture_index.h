// Which architectures there are, in little memory: a search may have a million of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "controller/core/architecture.h"

namespace layernas::core {

// Numbers architectures of one space from 1, in the order in which they are added. O(1) each. Takes two bytes per layer
// and some 16 more. Not thread-safe.
class ArchitectureIndex {
 public:
  // Architectures have that many layers. At most 2^32 - 1 of them.
  explicit ArchitectureIndex(std::size_t layers) : layers_(layers) {}

  // Its number, either one if it was added twice; 0 if it is not there.
  std::uint64_t Find(const Architecture& architecture) const;
  bool Contains(const Architecture& architecture) const { return Find(architecture) != 0; }
  // Whether it is there or not.
  void Add(const Architecture& architecture);
  // Adds what is not there; returns whether it was added.
  bool Insert(const Architecture& architecture);
  std::size_t size() const { return size_; }

 private:
  // Part of the hash, and the number; 0 where the slot is free.
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
  // The options of a fixed number of architectures each, in the order of their numbers: growing moves nothing.
  std::vector<std::unique_ptr<OptionIndex[]>> chunks_;
  // Open addressing with linear probing; the size is a power of 2, or 0.
  std::vector<Slot> slots_;
};

}  // namespace layernas::core
