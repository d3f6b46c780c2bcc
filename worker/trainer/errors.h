// The ways in which an evaluation fails. Thrown inside the trainer and caught at the edge of the protocol, which
// answers with the matching kind of failure.
#pragma once

#include <stdexcept>

#include "common/network/errors.h"

namespace layernas::trainer {

// The request can never succeed as it stands, on any machine: "infeasible".
using network::InfeasibleError;

// This machine lacks something that another attempt or another machine may have: "retry".
class MachineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// This machine or its GPU has not enough memory left: "out_of_memory".
class MemoryError : public MachineError {
 public:
  using MachineError::MachineError;
};

// The GPU can't be used by this process any more, which has to end: "retry".
class LostGpuError : public MachineError {
 public:
  using MachineError::MachineError;
};

}  // namespace layernas::trainer
