// Pauses between attempts.
#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace layernas::rpc {

// Grows from `initial` by the factor 2 up to `longest`; each pause is drawn from an eighth of that up to all of it, so
// that a fleet that lost its controller at once does not come back at once. Not thread-safe.
class Backoff {
 public:
  // 0 < initial <= longest. The seed keeps the draws of different workers apart.
  Backoff(Millis initial, Millis longest, std::uint64_t seed)
      : initial_(initial), longest_(longest), current_(initial), random_({seed}) {}

  // How long to wait before the next attempt; at most `longest`.
  Millis Next();
  // After a success.
  void Reset() { current_ = initial_; }

 private:
  const Millis initial_;
  const Millis longest_;
  Millis current_;
  RandomStream random_;
};

}  // namespace layernas::rpc
