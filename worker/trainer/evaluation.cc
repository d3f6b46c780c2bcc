#include "worker/trainer/evaluation.h"

#include <chrono>
#include <sstream>

#include "worker/trainer/counts.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/measurement.h"
#include "worker/trainer/training.h"

namespace layernas::trainer {
namespace {

void CheckFit(const NetworkPlan& network, const Dataset& dataset, const std::string& name) {
  const Shape& shape = dataset.train.shape;
  if (!(network.input == shape)) {
    std::ostringstream message;
    message << "network.input is [" << network.input.channels << ", " << network.input.height << ", "
            << network.input.width << "], but the images of " << name << " are [" << shape.channels << ", "
            << shape.height << ", " << shape.width << "]";
    throw InfeasibleError(message.str());
  }
  if (network.classes < dataset.classes) {
    throw InfeasibleError("network.classes is " + std::to_string(network.classes) + ", but " + name + " has " +
                          std::to_string(dataset.classes) + " classes");
  }
}

}  // namespace

Evaluator::Evaluator(std::filesystem::path data_dir, int threads) : datasets_(std::move(data_dir)) {
  torch::set_num_threads(threads);
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
  const Latency latency = MeasureLatency(network, request.network.input, request.measure);
  const Counts counts = CountNetwork(request.network);
  return {{"accuracy", training.accuracy},
          {"train_loss", training.train_loss},
          {"train_seconds", train_time.count()},
          {"params", static_cast<double>(counts.params)},
          {"multiply_adds", static_cast<double>(counts.multiply_adds)},
          {"latency_ms", latency.median_ms},
          {"latency_p90_ms", latency.p90_ms},
          {"latency_p99_ms", latency.p99_ms},
          {"latency_spread", latency.spread},
          {"latency_ratio", latency.ratio},
          {"latency_runs", static_cast<double>(latency.runs)}};
}

}  // namespace layernas::trainer
