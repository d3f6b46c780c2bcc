#include "common/base/random.h"

#include <cmath>

namespace layernas {
namespace {

constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15;

std::uint64_t Finalize(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t MixKey(std::initializer_list<std::uint64_t> values) {
  std::uint64_t key = 0;
  for (const std::uint64_t value : values) key = Finalize(key + kGamma + Finalize(value + kGamma));
  return key;
}

std::uint64_t RandomStream::Next() { return Finalize(state_ += kGamma); }

std::uint64_t RandomStream::Below(std::uint64_t bound) {
  // Draws above the largest multiple of `bound` would favour small remainders.
  const std::uint64_t limit = -bound % bound;
  while (true) {
    const std::uint64_t draw = Next();
    if (draw >= limit) return draw % bound;
  }
}

double RandomStream::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

double RandomStream::Normal() {
  // The method of Box and Muller (1958).
  const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
  return radius * std::cos(2 * M_PI * Uniform());
}

}  // namespace layernas
