#include "worker/trainer/mixed_precision.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

namespace layernas::trainer {
namespace {

thread_local bool active = false;

void Switch(torch::Device device, torch::ScalarType type, bool on) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  at::autocast::set_autocast_dtype(device.type(), type);
  at::autocast::set_autocast_enabled(device.type(), on);
#else
  if (device.is_cpu()) {
    at::autocast::set_autocast_cpu_dtype(type);
    at::autocast::set_cpu_enabled(on);
  } else {
    at::autocast::set_autocast_gpu_dtype(type);
    at::autocast::set_enabled(on);
  }
#endif
}

}  // namespace

MixedPrecision::MixedPrecision(Precision precision, torch::Device device) : precision_(precision), device_(device) {
  if (precision_ == Precision::kFloat32) return;
  active = true;
  Switch(device_, TypeOf(precision_), true);
}

MixedPrecision::~MixedPrecision() {
  if (precision_ == Precision::kFloat32) return;
  Switch(device_, TypeOf(precision_), false);
  // Clear the copies, because the weights change before the next use.
  at::autocast::clear_cache();
  active = false;
}

bool MixedPrecision::Active() { return active; }

torch::ScalarType TypeOf(Precision precision) {
  return precision == Precision::kBfloat16 ? torch::kBFloat16 : torch::kFloat;
}

}  // namespace layernas::trainer
