#include "worker/trainer/device.h"

#include <torch/cuda.h>

#include <charconv>
#include <stdexcept>
#include <string_view>

#include "worker/trainer/errors.h"
#include "worker/trainer/gpu.h"
#include "worker/trainer/machine.h"

namespace layernas::trainer {
namespace {

constexpr std::string_view kCuda = "cuda";

// Parses "cuda" or "cuda:N".
int GpuIndex(const std::string& name) {
  if (name == kCuda) return 0;
  int index = -1;
  const char* end = name.data() + name.size();
  if (name.compare(0, kCuda.size() + 1, "cuda:") == 0) {
    const auto [stop, error] = std::from_chars(name.data() + kCuda.size() + 1, end, index);
    if (error == std::errc() && stop == end && index >= 0 && index < 128) return index;
  }
  throw std::invalid_argument("must be auto, cpu, cuda or cuda:N, but is '" + name + "'");
}

torch::Device PreparedGpu(int index) {
  const torch::Device gpu(torch::kCUDA, static_cast<torch::DeviceIndex>(index));
  PrepareGpu(gpu);
  return gpu;
}

}  // namespace

torch::Device ChooseDevice(const std::string& name) {
  if (name == "cpu") return torch::kCPU;
  if (name == "auto") {
    return IsBuiltForGpu() && torch::cuda::is_available() ? PreparedGpu(0) : torch::Device(torch::kCPU);
  }
  const int index = GpuIndex(name);
  if (!IsBuiltForGpu()) {
    throw MachineError("cannot use device " + name + ": this layernas-trainer was built without LAYERNAS_WITH_CUDA");
  }
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (index >= count) {
    throw MachineError("cannot use device " + name + ": this process sees " + std::to_string(count) +
                       (count == 1 ? " GPU" : " GPUs") + "; check nvidia-smi and CUDA_VISIBLE_DEVICES");
  }
  return PreparedGpu(index);
}

std::string DescribeDevice(torch::Device device, int threads) {
  return device.is_cuda() ? DescribeGpu(device).name : DescribeMachine(threads);
}

bool IsLostGpu(const std::string& message) {
  if (IsOutOfMemory(message)) return false;
  for (const char* sign : {"CUDA error", "CUDA driver error", "CUDNN_STATUS", "CUBLAS_STATUS"}) {
    if (message.find(sign) != std::string::npos) return true;
  }
  return false;
}

bool IsOutOfMemory(const std::string& message) {
  return message.find("can't allocate memory") != std::string::npos ||
         message.find("out of memory") != std::string::npos ||
         // Of cuBLAS and cuDNN.
         message.find("_ALLOC_FAILED") != std::string::npos;
}

}  // namespace layernas::trainer
