// Measures latency and energy of a network on this machine's processor or GPU, by the method of
// docs/measuring.md.
#pragma once

#include <optional>

#include "worker/trainer/latency.h"
#include "worker/trainer/machine.h"
#include "worker/trainer/network.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

struct Measured {
  Latency latency;
  // The energy of the processor packages or the GPU per batch; empty if the machine does not
  // provide it.
  std::optional<double> energy_mj;
  MachineState machine;
  std::uint32_t fingerprint = 0;
};

// Runs `network`, which must be on `device`, on random input in evaluation mode and
// settings.precision. Leaves it in that mode and precision. Meanwhile torch and BLAS use
// settings.threads threads. Throws MachineError as MeasureInTurns() does.
Measured Measure(Network& network, const network::Shape& input, const MeasureSettings& settings,
                 torch::Device device = torch::kCPU);

}  // namespace layernas::trainer
