#include "worker/trainer/evaluation.h"

#include <chrono>
#include <sstream>

#include "common/network/counts.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/measurement.h"
#include "worker/trainer/training.h"

namespace layernas::trainer {
namespace {

void CheckFit(const network::Graph& network, const Dataset& dataset, const std::string& name) {
  const Shape& shape = dataset.train.shape;
  if (!(network.input == shape)) {
    std::ostringstream message;
    message << "network.input is [" << network.input.channels << ", " << network.input.height << ", "
            << network.input.width << "], but the images of " << name << " are [" << shape.channels << ", "
            << shape.height << ", " << shape.width << "]";
    throw InfeasibleError(message.str());
  }
  const int classes = network.ops.back().output.channels;
  if (classes < dataset.classes) {
    throw InfeasibleError("network.classes is " + std::to_string(classes) + ", but " + name + " has " +
                          std::to_string(dataset.classes) + " classes");
  }
}

// By the names of docs/measuring.md.
Metrics MeasuredMetrics(const Measured& measured) {
  const Latency& latency = measured.latency;
  Metrics metrics = {{"latency_ms", latency.median_ms},
                     {"latency_p90_ms", latency.p90_ms},
                     {"latency_p99_ms", latency.p99_ms},
                     {"latency_spread", latency.spread},
                     {"latency_runs", latency.runs},
                     {"latency_ratio", latency.ratio},
                     {"latency_ratio_interval", latency.ratio_interval},
                     {"latency_reference_ms", latency.reference_ms},
                     {"machine_fingerprint", measured.fingerprint},
                     {"machine_stolen", latency.stolen}};
  if (measured.machine.clock_mhz) metrics["machine_clock_mhz"] = *measured.machine.clock_mhz;
  if (measured.machine.load) metrics["machine_load"] = *measured.machine.load;
  if (measured.energy_mj) metrics["energy_mj"] = *measured.energy_mj;
  return metrics;
}

}  // namespace

Evaluator::Evaluator(EvaluatorOptions options)
    : datasets_(std::move(options.data_dir), std::move(options.data_cache), options.log) {
  torch::set_num_threads(options.threads);
  // Numbers close to zero are slow on the CPU and add nothing.
  at::globalContext().setFlushDenormal(true);
}

Metrics Evaluator::Evaluate(const EvaluateRequest& request, const ProgressCallback& on_progress) {
  const auto dataset = datasets_.Get(request.train.data);
  CheckFit(request.network, *dataset, request.train.data.dataset);
  torch::manual_seed(request.seed);
  Network network(request.network);

  const auto start = std::chrono::steady_clock::now();
  const TrainingResult training =
      Train(network, *dataset, request.train, request.seed, [&](int epoch, double accuracy) {
        on_progress({epoch, request.train.epochs, accuracy});
      });
  const std::chrono::duration<double> train_time = std::chrono::steady_clock::now() - start;
  const Measured measured = Measure(network, request.network.input, request.measure);
  Metrics metrics = MeasuredMetrics(measured);
  const network::Counts counts = network::CountNetwork(request.network);
  metrics["accuracy"] = training.accuracy;
  metrics["train_loss"] = training.train_loss;
  metrics["train_epochs"] = training.epochs;
  metrics["train_seconds"] = train_time.count();
  metrics["params"] = static_cast<double>(counts.params);
  metrics["multiply_adds"] = static_cast<double>(counts.multiply_adds);
  return metrics;
}

}  // namespace layernas::trainer
