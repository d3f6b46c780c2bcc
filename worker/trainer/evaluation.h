// Evaluates requests: trains and measures an architecture and returns its metrics.
#pragma once

#include <torch/types.h>

#include <filesystem>

#include "worker/trainer/dataset_cache.h"
#include "worker/trainer/evaluation_result.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

struct EvaluatorOptions {
  // May be empty if requests ask only for generated data.
  std::filesystem::path data_dir;
  // The folder for networks that requests ask to keep; may be empty if none does.
  std::filesystem::path weights_dir;
  // The number of threads of torch and BLAS. More threads than free cores make it much slower.
  int threads = 1;
  // Must be prepared by ChooseDevice().
  torch::Device device = torch::kCPU;
  // The cache of decoded data sets, which the processes of a machine share.
  CacheOptions data_cache;
  // The states of interrupted trainings.
  CacheOptions checkpoints;
  LogLine log = [](const std::string&) {};
};

// Evaluates one request after another. Not thread-safe, and sets the process's numbers of threads.
class Evaluator {
 public:
  explicit Evaluator(EvaluatorOptions options);

  // Builds, trains and measures the network, as far as the request asks for it. A training that was
  // interrupted on this machine is resumed. After SIGTERM or SIGINT, the process ends after the
  // training's next batch, when its state is saved (see stop_signal.h). Throws InfeasibleError,
  // MachineError, or any std::exception of torch and the standard library when the machine fails.
  // After LostGpuError the evaluator cannot be used any more.
  EvaluationResult Evaluate(const EvaluateRequest& request, const ProgressCallback& on_progress);

 private:
  EvaluationResult TrainAndMeasure(const EvaluateRequest& request, const ProgressCallback& on_progress);

  DatasetCache datasets_;
  const std::filesystem::path weights_dir_;
  const CacheOptions checkpoints_;
  const torch::Device device_;
  const LogLine log_;
};

}  // namespace layernas::trainer
