#include "worker/trainer/measurement.h"

#include <time.h>

#include <chrono>
#include <functional>
#include <memory>

#include "common/network/blocks.h"
#include "worker/trainer/device.h"
#include "worker/trainer/gpu.h"
#include "worker/trainer/mixed_precision.h"
#include "worker/trainer/nvml.h"
#include "worker/trainer/threads.h"

namespace layernas::trainer {
namespace {

// Never change this network: ratios to different references cannot be compared.
Network MakeReference() {
  network::GraphBuilder builder({3, 32, 32});
  builder.BeginLayer("reference");
  const auto mbconv = [&](network::Value input, int kernel, int expansion, int channels, int stride) {
    network::BlockSettings settings;
    settings.block = "mbconv";
    settings.kernel = kernel;
    settings.expansion = expansion;
    settings.channels = channels;
    settings.stride = stride;
    return network::AddBlock(builder, input, settings);
  };
  network::Value value = builder.ConvNorm(network::GraphBuilder::kInput, 16, 3, 2, 1, network::Activation::kRelu);
  value = mbconv(value, 3, 3, 16, 1);
  value = mbconv(value, 5, 6, 24, 2);
  value = mbconv(value, 3, 6, 24, 1);
  builder.Linear(builder.GlobalPool(value), 10);
  return Network(builder.Take());
}

torch::Tensor RandomInput(int batch, const network::Shape& shape, torch::Device device) {
  return torch::randn({batch, shape.channels, shape.height, shape.width})
      .contiguous(torch::MemoryFormat::ChannelsLast)
      .to(device);
}

double ThreadCpuMs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

// `timer` is null on the processor.
TimedRun MakeRun(Network network, torch::Tensor input, const std::shared_ptr<GpuTimer>& timer) {
  if (timer != nullptr) {
    return [network, input, timer]() mutable { return RunTime{timer->Time([&] { network(input); }), 0}; };
  }
  return [network, input]() mutable {
    using Clock = std::chrono::steady_clock;
    const double cpu = ThreadCpuMs();
    const Clock::time_point start = Clock::now();
    network(input);
    const double wall = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    return RunTime{wall, ThreadCpuMs() - cpu};
  };
}

// Returns the millijoules of one run. It measures many runs together, because counters are only
// updated about ten times a second or less. `used` returns how much has been used since its first
// call.
std::optional<double> EnergyPerRun(const TimedRun& run, double median_ms,
                                   const std::function<std::optional<double>()>& used) {
  constexpr double kLeastMs = 500;
  const int runs = 1 + static_cast<int>(kLeastMs / median_ms);
  const auto before = used();
  if (!before) return std::nullopt;
  for (int i = 0; i < runs; ++i) run();
  const auto after = used();
  if (!after) return std::nullopt;
  return (*after - *before) / runs;
}

std::optional<double> EnergyOnProcessor(const TimedRun& run, double median_ms) {
  EnergyMeter meter;
  meter.Start();
  return EnergyPerRun(run, median_ms, [&] { return meter.MillijoulesSinceStart(); });
}

}  // namespace

Measured Measure(Network& network, const network::Shape& input, const MeasureSettings& settings, torch::Device device) {
  const torch::InferenceMode inference;
  const ThreadCount threads(settings.threads);
  Network reference = MakeReference();
  reference->to(device);
  reference->eval();
  network->eval();
  const torch::ScalarType type = TypeOf(settings.precision);
  network->to(type);
  const auto timer = device.is_cuda() ? std::make_shared<GpuTimer>() : nullptr;
  const TimedRun run = MakeRun(network, RandomInput(settings.batch, input, device).to(type), timer);
  const TimedRun reference_run = MakeRun(reference, RandomInput(1, {3, 32, 32}, device), timer);

  Measured measured;
  measured.latency = MeasureInTurns(run, reference_run, settings, device.is_cpu() && settings.threads == 1);
  measured.machine = ReadMachineState();
  measured.fingerprint = Fingerprint(DescribeDevice(device, settings.threads));
  if (device.is_cuda()) {
    const GpuMonitor monitor(DescribeGpu(device).pci_address);
    measured.machine.clock_mhz = monitor.clock_mhz();
    measured.energy_mj = EnergyPerRun(run, measured.latency.median_ms, [&] { return monitor.energy_mj(); });
  } else {
    measured.energy_mj = EnergyOnProcessor(run, measured.latency.median_ms);
  }
  return measured;
}

}  // namespace layernas::trainer
