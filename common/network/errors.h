// The error for a network that cannot be built.
#pragma once

#include <stdexcept>

namespace layernas::network {

// The network cannot be built on any machine. The message names the field or layer.
class InfeasibleError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace layernas::network
