// Where networks are trained and measured.
#pragma once

#include <torch/types.h>

#include <string>

namespace layernas::trainer {

// "cpu", "cuda" (the first GPU that this process sees), "cuda:N", or "auto": the first GPU, or the processor where
// there is none or the trainer is built without. Any other text is a std::invalid_argument. Throws MachineError, saying
// why, where a GPU is asked for and is not there.
torch::Device ChooseDevice(const std::string& name);

// "NVIDIA H100 80GB HBM3", or as DescribeMachine has it: what latencies must share to be compared at all.
std::string DescribeDevice(torch::Device device, int threads);

// Whether torch's message means that this process can do nothing more on its GPU, because that fell off the bus or a
// kernel failed. Want of memory does not.
bool IsLostGpu(const std::string& message);

// Whether torch's message means that the machine, or its GPU, has not enough memory. Torch has no type of its own for
// it on the processor.
bool IsOutOfMemory(const std::string& message);

}  // namespace layernas::trainer
