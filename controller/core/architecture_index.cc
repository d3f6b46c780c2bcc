#include "controller/core/architecture_index.h"

#include <algorithm>

namespace layernas::core {
namespace {

constexpr std::size_t kPerChunk = 64;
constexpr std::size_t kFirstSlots = 64;

std::uint32_t Hash(const Architecture& architecture) {
  const std::size_t hash = ArchitectureHash()(architecture);
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

std::uint64_t ArchitectureIndex::Find(const Architecture& architecture) const {
  return FindHashed(architecture, Hash(architecture));
}

void ArchitectureIndex::Add(const Architecture& architecture) { AddHashed(architecture, Hash(architecture)); }

bool ArchitectureIndex::Insert(const Architecture& architecture) {
  const std::uint32_t hash = Hash(architecture);
  if (FindHashed(architecture, hash) != 0) return false;
  AddHashed(architecture, hash);
  return true;
}

const OptionIndex* ArchitectureIndex::Stored(std::uint64_t number) const {
  return chunks_[(number - 1) / kPerChunk].get() + (number - 1) % kPerChunk * layers_;
}

OptionIndex* ArchitectureIndex::Stored(std::uint64_t number) {
  return chunks_[(number - 1) / kPerChunk].get() + (number - 1) % kPerChunk * layers_;
}

bool ArchitectureIndex::Equals(std::uint64_t number, const Architecture& architecture) const {
  return architecture.size() == layers_ && std::equal(architecture.begin(), architecture.end(), Stored(number));
}

std::uint64_t ArchitectureIndex::FindHashed(const Architecture& architecture, std::uint32_t hash) const {
  if (slots_.empty()) return 0;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask; slots_[i].number != 0; i = (i + 1) & mask) {
    if (slots_[i].hash == hash && Equals(slots_[i].number, architecture)) return slots_[i].number;
  }
  return 0;
}

void ArchitectureIndex::AddHashed(const Architecture& architecture, std::uint32_t hash) {
  if (size_ % kPerChunk == 0) chunks_.push_back(std::make_unique<OptionIndex[]>(kPerChunk * layers_));
  ++size_;
  // Damaged data may have an architecture of another space. It gets its number, but cannot be
  // found.
  if (architecture.size() != layers_) return;
  std::copy(architecture.begin(), architecture.end(), Stored(size_));
  // Keep at most three quarters of the slots taken.
  if (4 * size_ > 3 * slots_.size()) {
    std::vector<Slot> smaller(std::max(kFirstSlots, 2 * slots_.size()));
    smaller.swap(slots_);
    for (const Slot& slot : smaller) {
      if (slot.number != 0) Place(slot);
    }
  }
  Place({hash, static_cast<std::uint32_t>(size_)});
}

void ArchitectureIndex::Place(Slot slot) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = slot.hash & mask;
  while (slots_[i].number != 0) i = (i + 1) & mask;
  slots_[i] = slot;
}

}  // namespace layernas::core
