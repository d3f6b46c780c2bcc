// Random choices of a simulated world.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace layernas::simulation {

// A stream of choices that depends only on its key. Not thread-safe.
class Draw {
 public:
  explicit Draw(std::initializer_list<std::uint64_t> key) : random_(key) {}

  // Returns a uniform number in [min, max]; min <= max.
  int Between(int min, int max) {
    return min + static_cast<int>(random_.Below(static_cast<std::uint64_t>(max - min) + 1));
  }
  Millis Time(Millis min, Millis max) {
    return min + Millis{random_.Below(static_cast<std::uint64_t>((max - min).count()) + 1)};
  }
  bool Chance(double probability) { return random_.Uniform() < probability; }
  double Uniform() { return random_.Uniform(); }
  std::uint64_t Number() { return random_.Next(); }
  // Returns an index below `size`; size > 0.
  std::size_t Index(std::size_t size) { return random_.Below(size); }
  template <typename T>
  const T& Pick(const std::vector<T>& items) {
    return items[Index(items.size())];
  }

 private:
  RandomStream random_;
};

}  // namespace layernas::simulation
