// Counter-based random numbers: a draw depends on its key alone, so that nothing has to be stored and a restart draws
// the same. Our own, because std::*_distribution differs from library to library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace layernas {

// Mixes the values into one well-spread 64-bit key (SplitMix64's finalizer, Steele et al. 2014, over a running sum).
std::uint64_t MixKey(std::initializer_list<std::uint64_t> values);

// A stream of numbers fixed by its key. Copyable; not thread-safe.
class RandomStream {
 public:
  explicit RandomStream(std::initializer_list<std::uint64_t> key) : state_(MixKey(key)) {}

  std::uint64_t Next();
  // What FromState needs to go on from here.
  std::uint64_t state() const { return state_; }
  static RandomStream FromState(std::uint64_t state) {
    RandomStream stream({});
    stream.state_ = state;
    return stream;
  }
  // Uniform in [0, bound), without bias; bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  // Uniform in [0, 1).
  double Uniform();
  // Normal with mean 0 and standard deviation 1.
  double Normal();

 private:
  std::uint64_t state_;
};

// In an order that is one of all with equal probability (Fisher-Yates); std::shuffle differs from library to library.
template <typename T>
void Shuffle(std::vector<T>& items, RandomStream& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

}  // namespace layernas
