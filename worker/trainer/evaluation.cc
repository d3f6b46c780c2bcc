#include "worker/trainer/evaluation.h"

#include <malloc.h>
#include <torch/version.h>

#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <utility>

#include "common/network/counts.h"
#include "common/network/dead_ops.h"
#include "worker/trainer/device.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/gpu.h"
#include "worker/trainer/machine.h"
#include "worker/trainer/measurement.h"
#include "worker/trainer/stop_signal.h"
#include "worker/trainer/threads.h"
#include "worker/trainer/training.h"
#include "worker/trainer/weights.h"

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

// Uses the names of docs/measuring.md.
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

TrainingResult TrainUntilSignal(Network& network, const Dataset& dataset, const EvaluateRequest& request,
                                const Checkpoint& checkpoint, const ProgressCallback& on_progress, const LogLine& log,
                                torch::Device device) {
  // When this object is destroyed, the process ends if a signal has arrived.
  const StopSignal signal;
  TrainingHooks hooks;
  hooks.on_epoch = [&](const EpochResult& result) {
    std::ostringstream line;
    line << "epoch " << result.epoch << " of " << request.train.epochs << ": loss " << result.train_loss
         << ", accuracy " << result.accuracy;
    log(line.str());
    on_progress({std::nullopt, result.epoch, request.train.epochs, result.accuracy});
  };
  hooks.stop = [] { return StopSignal::Requested() != 0; };
  hooks.checkpoint = &checkpoint;
  hooks.on_resume = [&](int epoch) {
    log("resuming an interrupted training in epoch " + std::to_string(epoch) + " of " +
        std::to_string(request.train.epochs));
  };
  return Train(network, dataset, request.train, request.seed, hooks, device);
}

// Other processes may need the memory while this one waits.
void FreeUnusedMemory(torch::Device device) {
  if (device.is_cuda()) ReleaseGpuMemory();
  malloc_trim(0);
}

}  // namespace

Evaluator::Evaluator(EvaluatorOptions options)
    : datasets_(std::move(options.data_dir), std::move(options.data_cache), options.log),
      weights_dir_(std::move(options.weights_dir)),
      checkpoints_(std::move(options.checkpoints)),
      device_(options.device),
      log_(std::move(options.log)) {
  SetThreads(options.threads);
  try {
    if (!weights_dir_.empty()) CheckFolder(weights_dir_);
  } catch (const MachineError& error) {
    // This is not an error yet: most requests keep nothing.
    log_(std::string("warning: --weights-dir: ") + error.what() + "; requests that keep weights will fail");
  }
  // Numbers close to zero are slow on the processor and contribute nothing.
  at::globalContext().setFlushDenormal(true);
}

EvaluationResult Evaluator::Evaluate(const EvaluateRequest& request, const ProgressCallback& on_progress) {
  try {
    EvaluationResult result = TrainAndMeasure(request, on_progress);
    FreeUnusedMemory(device_);
    return result;
  } catch (const std::bad_alloc&) {
    FreeUnusedMemory(device_);
    throw MemoryError("out of memory: " + DescribeMemory());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (device_.is_cuda() && IsLostGpu(message)) throw LostGpuError("the GPU failed: " + message);
    FreeUnusedMemory(device_);
    if (IsOutOfMemory(message)) throw MemoryError("out of memory: " + message + "; " + DescribeMemory());
    throw MachineError(message);
  }
}

EvaluationResult Evaluator::TrainAndMeasure(const EvaluateRequest& request, const ProgressCallback& on_progress) {
  const std::filesystem::path weights_file = weights_dir_ / (request.keep_weights + ".pt");
  const bool keeps_weights = request.is_trained && !request.keep_weights.empty();
  if (keeps_weights) {
    if (weights_dir_.empty()) {
      throw MachineError("the request asks to keep the weights: start layernas-trainer with --weights-dir");
    }
    CheckWritable(weights_file);
  }
  // Early, because it refuses a network that is too large.
  const network::Counts counts = network::CountNetwork(request.network);
  std::shared_ptr<const Dataset> dataset;
  if (request.is_trained) {
    dataset = datasets_.Get(request.train.data, [&on_progress](std::size_t done, std::size_t images) {
      Progress progress;
      progress.loading = Loading{done, images};
      on_progress(progress);
    });
    CheckFit(request.network, *dataset, request.train.data.dataset);
    for (const std::string& note : dataset->notes) log_("warning: " + note);
  }
  torch::manual_seed(request.seed);
  // Train, measure and keep the network that will be deployed. The counts are those of the
  // requested architecture, as in benchmarks.
  Network network(network::WithoutDeadOps(request.network));
  network->to(device_);

  EvaluationResult result{Metrics{}};
  Metrics& metrics = result.metrics;
  std::optional<Checkpoint> checkpoint;
  std::optional<WeightsFile> weights;
  if (dataset != nullptr) {
    // Other versions of torch or of the state, and other data, lead to other results.
    checkpoint.emplace(checkpoints_,
                       request.training_key + " data " + std::to_string(dataset->checksum) + " state 2 torch " +
                           TORCH_VERSION + (device_.is_cuda() ? " gpu" : ""),
                       log_);
    const TrainingResult training =
        TrainUntilSignal(network, *dataset, request, *checkpoint, on_progress, log_, device_);
    metrics = {{"accuracy", training.accuracy},
               {"train_loss", training.train_loss},
               {"train_epochs", training.epochs},
               {"data_checksum", dataset->checksum},
               {"train_seconds", training.seconds}};
    // Now, because a measurement may change the precision of the network.
    if (keeps_weights) weights.emplace(network, *dataset, weights_file);
  }
  if (request.is_measured) {
    const Measured measured = Measure(network, request.network.input, request.measure, device_);
    std::ostringstream line;
    line << "latency " << measured.latency.median_ms << " ms in " << measured.latency.runs << " runs, spread "
         << measured.latency.spread;
    log_(line.str());
    metrics.merge(MeasuredMetrics(measured));
  }
  metrics["params"] = static_cast<double>(counts.params);
  metrics["multiply_adds"] = static_cast<double>(counts.multiply_adds);
  // Not earlier: nobody would learn of a network whose measurement failed.
  if (weights) result.weights = weights->Keep();
  // Not earlier: after a failed measurement, the next attempt resumes from the state that the
  // training saved last, if it lasted long enough to save one.
  if (checkpoint) checkpoint->Remove();
  return result;
}

}  // namespace layernas::trainer
