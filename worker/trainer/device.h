// The devices on which networks are trained and measured.
#pragma once

#include <torch/types.h>

#include <string>

namespace layernas::trainer {

// Parses "cpu", "cuda" (the first GPU that this process sees), "cuda:N" or "auto". "auto" is the
// first GPU, or the processor if there is no GPU or the trainer was built without GPU support.
// Throws std::invalid_argument for any other text, and MachineError, which says why, if the
// requested GPU does not exist.
torch::Device ChooseDevice(const std::string& name);

// Describes the device, such as "NVIDIA H100 80GB HBM3", or as DescribeMachine() does. Latencies
// can only be compared if their descriptions are equal.
std::string DescribeDevice(torch::Device device, int threads);

// Returns true if torch's message means that this process can no longer use its GPU, because the
// GPU disappeared from the bus or a kernel failed. A lack of memory does not mean that.
bool IsLostGpu(const std::string& message);

// Returns true if torch's message means that the machine or its GPU has too little memory. Torch
// has no exception type for that on the processor.
bool IsOutOfMemory(const std::string& message);

}  // namespace layernas::trainer
