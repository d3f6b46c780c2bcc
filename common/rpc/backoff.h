// Pauses between retries.
#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace layernas::rpc {

// A pause that doubles from `initial` up to `longest`. Each pause is drawn between an eighth of
// that value and all of it. So the workers of a fleet that lost its controller do not all come back
// at the same moment. Not thread-safe.
class Backoff {
 public:
  // Requires 0 < initial <= longest. Different seeds give different workers different pauses.
  Backoff(Millis initial, Millis longest, std::uint64_t seed)
      : initial_(initial), longest_(longest), current_(initial), random_({seed}) {}

  // Returns how long to wait before the next retry, at most `longest`.
  Millis Next();
  // Call this after a success.
  void Reset() { current_ = initial_; }

 private:
  const Millis initial_;
  const Millis longest_;
  Millis current_;
  RandomStream random_;
};

}  // namespace layernas::rpc
