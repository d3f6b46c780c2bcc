// The ways in which an evaluation fails. The trainer throws these errors and catches them at the
// edge of the protocol, which answers with the corresponding kind of failure.
#pragma once

#include <stdexcept>

#include "common/network/errors.h"

namespace layernas::trainer {

// The request cannot succeed on any machine: "infeasible".
using network::InfeasibleError;

// This machine lacks something that another attempt or another machine may have: "retry".
class MachineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// This machine or its GPU has too little memory left: "out_of_memory".
class MemoryError : public MachineError {
 public:
  using MachineError::MachineError;
};

// The machine has too little memory for the data set: "out_of_memory" that says nothing about the
// architecture.
class DataMemoryError : public MemoryError {
 public:
  using MemoryError::MemoryError;
};

// This process can no longer use the GPU and must end: "retry".
class LostGpuError : public MachineError {
 public:
  using MachineError::MachineError;
};

}  // namespace layernas::trainer
