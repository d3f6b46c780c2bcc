#include "common/rpc/backoff.h"

#include <algorithm>
#include <cmath>

namespace layernas::rpc {

Millis Backoff::Next() {
  const double share = 0.125 + 0.875 * random_.Uniform();
  const auto pause = Millis(std::llround(std::ceil(static_cast<double>(current_.count()) * share)));
  current_ = std::min(current_ * 2, longest_);
  return pause;
}

}  // namespace layernas::rpc
