// Random decisions for tests and fuzz targets.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/random.h"

namespace layernas {

// The source of a generated world's decisions.
class Draws {
 public:
  virtual ~Draws() = default;
  // Returns a number in [0, bound); bound > 0.
  virtual std::uint64_t Below(std::uint64_t bound) = 0;
};

class RandomDraws final : public Draws {
 public:
  explicit RandomDraws(RandomStream random) : random_(random) {}
  std::uint64_t Below(std::uint64_t bound) override { return random_.Below(bound); }

 private:
  RandomStream random_;
};

// Decides by the bytes of a fuzzer. After the last byte, draws continue at random, so that the
// world can reach its end.
class ByteDraws final : public Draws {
 public:
  explicit ByteDraws(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t Below(std::uint64_t bound) override {
    if (bytes_.empty()) return rest_.Below(bound);
    std::uint64_t value = Take();
    for (std::uint64_t most = 0xff; most < bound - 1; most = most << 8 | 0xff) value = value << 8 | Take();
    return value % bound;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::uint64_t Take() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }

  std::string_view bytes_;
  RandomStream rest_ = RandomStream({1});
};

}  // namespace layernas
