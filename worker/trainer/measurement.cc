#include "worker/trainer/measurement.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace layernas::trainer {
namespace {

// Never to be changed: ratios taken with different references do not compare.
Network MakeReference() {
  NetworkPlan plan;
  plan.input = {3, 32, 32};
  plan.blocks = {PlanBlock("stem", {"conv", 3, {}, 16, 2}, {3, 32, 32}),
                 PlanBlock("block1", {"mbconv", 3, 3, 16, 1}, {16, 16, 16}),
                 PlanBlock("block2", {"mbconv", 5, 6, 24, 2}, {16, 16, 16}),
                 PlanBlock("block3", {"mbconv", 3, 6, 24, 1}, {24, 8, 8})};
  plan.features = 24;
  plan.classes = 10;
  return Network(plan);
}

torch::Tensor RandomInput(int batch, const Shape& shape) {
  return torch::randn({batch, shape.channels, shape.height, shape.width}).contiguous(torch::MemoryFormat::ChannelsLast);
}

// Milliseconds of each of `runs` runs.
std::vector<double> TimeRuns(Network& network, const torch::Tensor& input, int runs) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(runs));
  for (int i = 0; i < runs; ++i) {
    const Clock::time_point start = Clock::now();
    network(input);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return times;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return Quantile(values, 0.5);
}

}  // namespace

Latency MeasureLatency(Network& network, const Shape& input, const MeasureSettings& settings) {
  constexpr int kBlocks = 20;
  const torch::InferenceMode inference;
  Network reference = MakeReference();
  reference->eval();
  network->eval();
  const torch::Tensor batch = RandomInput(settings.batch, input);
  const torch::Tensor reference_batch = RandomInput(1, {3, 32, 32});

  std::vector<double> times, ratios;
  TimeRuns(network, batch, settings.warm_up);
  TimeRuns(reference, reference_batch, settings.warm_up);
  for (int block = 0; block < kBlocks; ++block) {
    const int runs = settings.runs * (block + 1) / kBlocks - settings.runs * block / kBlocks;
    if (runs == 0) continue;
    const std::vector<double> block_times = TimeRuns(network, batch, runs);
    ratios.push_back(Median(block_times) / Median(TimeRuns(reference, reference_batch, runs)));
    times.insert(times.end(), block_times.begin(), block_times.end());
  }
  std::sort(times.begin(), times.end());

  Latency latency;
  latency.median_ms = Quantile(times, 0.5);
  latency.p90_ms = Quantile(times, 0.9);
  latency.p99_ms = Quantile(times, 0.99);
  latency.spread = (latency.p90_ms - Quantile(times, 0.1)) / latency.median_ms;
  latency.runs = settings.runs;
  latency.ratio = Median(ratios);
  return latency;
}

double Quantile(const std::vector<double>& sorted, double q) {
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::min(std::max<std::size_t>(rank, 1), sorted.size()) - 1];
}

}  // namespace layernas::trainer
