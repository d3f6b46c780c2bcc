#include "worker/trainer/measurement.h"

#include <time.h>

#include <chrono>

#include "common/network/blocks.h"
#include "worker/trainer/mixed_precision.h"

namespace layernas::trainer {
namespace {

// Never to be changed: ratios taken with different references do not compare.
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

torch::Tensor RandomInput(int batch, const network::Shape& shape) {
  return torch::randn({batch, shape.channels, shape.height, shape.width}).contiguous(torch::MemoryFormat::ChannelsLast);
}

double ThreadCpuMs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

TimedRun MakeRun(Network network, torch::Tensor input) {
  return [network, input]() mutable {
    using Clock = std::chrono::steady_clock;
    const double cpu = ThreadCpuMs();
    const Clock::time_point start = Clock::now();
    network(input);
    const double wall = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    return RunTime{wall, ThreadCpuMs() - cpu};
  };
}

// The counters are renewed about every millisecond, so many runs are taken together.
std::optional<double> MeasureEnergy(const TimedRun& run, double median_ms) {
  constexpr double kLeastMs = 500;
  EnergyMeter meter;
  if (!meter.available()) return std::nullopt;
  const int runs = 1 + static_cast<int>(kLeastMs / median_ms);
  meter.Start();
  for (int i = 0; i < runs; ++i) run();
  const auto used = meter.MillijoulesSinceStart();
  if (!used) return std::nullopt;
  return *used / runs;
}

// Torch's number of threads while it lives.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(torch::get_num_threads()) { torch::set_num_threads(threads); }
  ~ThreadCount() { torch::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  const int before_;
};

}  // namespace

Measured Measure(Network& network, const network::Shape& input, const MeasureSettings& settings) {
  const torch::InferenceMode inference;
  const ThreadCount threads(settings.threads);
  Network reference = MakeReference();
  reference->eval();
  network->eval();
  const torch::ScalarType type = TypeOf(settings.precision);
  network->to(type);
  const TimedRun run = MakeRun(network, RandomInput(settings.batch, input).to(type));
  const TimedRun reference_run = MakeRun(reference, RandomInput(1, {3, 32, 32}));

  Measured measured;
  measured.latency = MeasureInTurns(run, reference_run, settings);
  measured.machine = ReadMachineState();
  measured.fingerprint = Fingerprint(DescribeMachine(settings.threads));
  measured.energy_mj = MeasureEnergy(run, measured.latency.median_ms);
  return measured;
}

}  // namespace layernas::trainer
