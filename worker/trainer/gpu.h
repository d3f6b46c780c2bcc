// What torch has no common name for, because only an NVIDIA GPU has it: gpu_cuda.cc where the trainer is built for one
// (LAYERNAS_WITH_CUDA), else gpu_none.cc, whose functions throw MachineError. Of one thread.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace layernas::trainer {

bool IsBuiltForGpu();

// To be called once, before anything is done on `gpu`: what this thread gives it from then on is one stream that is not
// the default one, as recording asks for.
void PrepareGpu(torch::Device gpu);

struct GpuDescription {
  // "NVIDIA H100 80GB HBM3".
  std::string name;
  // "00000000:3b:00.0", as NVML has it (nvml.h).
  std::string pci_address;
};
GpuDescription DescribeGpu(torch::Device gpu);

// In bytes.
std::size_t FreeGpuMemory(torch::Device gpu);

// Memory that torch keeps for later goes back to the GPU, whose other processes may want it.
void ReleaseGpuMemory();

// The GPU's own clock (events).
class GpuTimer {
 public:
  GpuTimer();
  ~GpuTimer();
  GpuTimer(const GpuTimer&) = delete;
  GpuTimer& operator=(const GpuTimer&) = delete;

  // Milliseconds from the beginning of what `work` gives the GPU to its end, which is waited for.
  double Time(const std::function<void()>& work);

 private:
  struct Events;
  const std::unique_ptr<Events> events_;
};

// What was given to the GPU once, to be given again in one go (a CUDA graph): that spares the launches of its parts,
// which take most of the time of a small network.
class GpuRecording {
 public:
  // `work` is not done, only recorded. It must use tensors that stay where they are, and not wait for the GPU.
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
