// How a network that can't be built is refused.
#pragma once

#include <stdexcept>

namespace layernas::network {

// What was asked for can never be built, on any machine. The message names the field or layer.
class InfeasibleError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace layernas::network
