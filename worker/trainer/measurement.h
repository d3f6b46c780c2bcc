// Latency and energy of a network on this machine's processor or GPU, by the method of docs/measuring.md.
#pragma once

#include <optional>

#include "worker/trainer/latency.h"
#include "worker/trainer/machine.h"
#include "worker/trainer/network.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

struct Measured {
  Latency latency;
  // Of the processor packages, or the GPU, per batch, where the machine says.
  std::optional<double> energy_mj;
  MachineState machine;
  std::uint32_t fingerprint = 0;
};

// Runs `network`, which lies on `device`, in evaluation mode and settings.precision, in which it is left, on random
// input; torch and BLAS have settings.threads threads meanwhile. Throws MachineError as MeasureInTurns does.
Measured Measure(Network& network, const network::Shape& input, const MeasureSettings& settings,
                 torch::Device device = torch::kCPU);

}  // namespace layernas::trainer
