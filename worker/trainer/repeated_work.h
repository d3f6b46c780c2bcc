// Work that is repeated for each batch.
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>

#include "worker/trainer/gpu.h"

namespace layernas::trainer {

// On a GPU, the work is recorded after a few runs (see GpuRecording). So it must use tensors that
// stay in place and keep their shapes, and must not wait for the device.
class RepeatedWork {
 public:
  RepeatedWork(torch::Device device, std::function<void()> work);

  // Runs the work once more. On a GPU it may return before the work is done.
  void Run();

 private:
  const torch::Device device_;
  const std::function<void()> work_;
  int runs_ = 0;
  std::unique_ptr<GpuRecording> recording_;
};

}  // namespace layernas::trainer
