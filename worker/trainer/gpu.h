// Functions that exist only for NVIDIA GPUs, for which torch has no device-independent API. They
// are in gpu_cuda.cc if the trainer is built for GPUs (LAYERNAS_WITH_CUDA). Otherwise they are in
// gpu_none.cc and throw MachineError. Use them from one thread only.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace layernas::trainer {

bool IsBuiltForGpu();

// Call this once, before any work on `gpu`. From then on, this thread's work goes to one stream
// that is not the default stream, as recording requires.
void PrepareGpu(torch::Device gpu);

struct GpuDescription {
  // For example "NVIDIA H100 80GB HBM3".
  std::string name;
  // For example "00000000:3b:00.0", in the form of NVML (see nvml.h).
  std::string pci_address;
};
GpuDescription DescribeGpu(torch::Device gpu);

// Returns the free memory in bytes.
std::size_t FreeGpuMemory(torch::Device gpu);

// Returns the memory that torch keeps for later to the GPU, whose other processes may need it.
void ReleaseGpuMemory();

// Measures time with the GPU's own clock (events).
class GpuTimer {
 public:
  GpuTimer();
  ~GpuTimer();
  GpuTimer(const GpuTimer&) = delete;
  GpuTimer& operator=(const GpuTimer&) = delete;

  // Runs `work` and returns the milliseconds from the start to the end of its work on the GPU.
  // Waits for that end.
  double Time(const std::function<void()>& work);

 private:
  struct Events;
  const std::unique_ptr<Events> events_;
};

// A recording of GPU work (a CUDA graph) that can be repeated with one launch. The separate
// launches take most of the time of a small network.
class GpuRecording {
 public:
  // Records `work` without running it. `work` must use tensors that stay in place, and must not
  // wait for the GPU.
  explicit GpuRecording(const std::function<void()>& work);
  ~GpuRecording();
  GpuRecording(const GpuRecording&) = delete;
  GpuRecording& operator=(const GpuRecording&) = delete;

  void Replay();

 private:
  struct Graph;
  const std::unique_ptr<Graph> graph_;
};

}  // namespace layernas::trainer
