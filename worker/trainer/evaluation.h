// From a request to the metrics of its architecture.
#pragma once

#include <torch/types.h>

#include <filesystem>

#include "worker/trainer/dataset_cache.h"
#include "worker/trainer/evaluation_result.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

struct EvaluatorOptions {
  // May be empty where only generated data is asked for.
  std::filesystem::path data_dir;
  // For the networks that requests ask to be kept; may be empty where none does.
  std::filesystem::path weights_dir;
  // Of torch and BLAS; more threads than free cores make it slower by far.
  int threads = 1;
  // Prepared by ChooseDevice.
  torch::Device device = torch::kCPU;
  // Decoded data sets, which the processes of a machine share.
  CacheOptions data_cache;
  // Trainings that were interrupted.
  CacheOptions checkpoints;
  LogLine log = [](const std::string&) {};
};

// Evaluates one request after another. Not thread-safe; numbers of threads are the process's.
class Evaluator {
 public:
  explicit Evaluator(EvaluatorOptions options);

  // Builds, trains and measures, as far as is wanted; a training that was interrupted on this machine goes on. SIGTERM
  // and SIGINT end the process after the training's next batch, when its state is kept (stop_signal.h). Throws
  // InfeasibleError or MachineError, or what torch and the standard library throw when the machine gives out
  // (std::exception); LostGpuError where the evaluator is of no more use.
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
