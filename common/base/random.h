// Counter-based random numbers. A draw depends only on its key, so nothing has to be stored, and
// the draws are the same after a restart. std::*_distribution is not used, because its results
// differ between libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace layernas {

// Mixes the values into one well-distributed 64-bit key (SplitMix64's finalizer, Steele et al.
// 2014, over a running sum).
std::uint64_t MixKey(std::initializer_list<std::uint64_t> values);

// A stream of numbers that depends only on its key. Copyable; not thread-safe.
class RandomStream {
 public:
  explicit RandomStream(std::initializer_list<std::uint64_t> key) : state_(MixKey(key)) {}

  std::uint64_t Next();
  // The state from which FromState() continues the stream.
  std::uint64_t state() const { return state_; }
  static RandomStream FromState(std::uint64_t state) {
    RandomStream stream({});
    stream.state_ = state;
    return stream;
  }
  // Returns a uniform number in [0, bound), without bias; bound must be > 0.
  std::uint64_t Below(std::uint64_t bound);
  // Returns a uniform number in [0, 1).
  double Uniform();
  // Returns a normal number with mean 0 and standard deviation 1.
  double Normal();

 private:
  std::uint64_t state_;
};

// Shuffles the items; every order has the same probability (Fisher-Yates). The results of
// std::shuffle differ between libraries.
template <typename T>
void Shuffle(std::vector<T>& items, RandomStream& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

}  // namespace layernas
