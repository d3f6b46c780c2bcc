// Work that is done for each batch anew.
#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>

#include "worker/trainer/gpu.h"

namespace layernas::trainer {

// On a GPU it is recorded after a few times (GpuRecording): so it must use tensors that stay where they are, of shapes
// that stay, and not wait for the device.
class RepeatedWork {
 public:
  RepeatedWork(torch::Device device, std::function<void()> work);

  // Once more. On a GPU it may return before the work is done.
  void Run();

 private:
  const torch::Device device_;
  const std::function<void()> work_;
  int runs_ = 0;
  std::unique_ptr<GpuRecording> recording_;
};

}  // namespace layernas::trainer
