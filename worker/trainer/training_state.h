// The state of a training as bytes, from which it resumes as if it had never stopped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "worker/trainer/network.h"
#include "worker/trainer/training_step.h"

namespace layernas::trainer {

struct EpochResult {
  // Counts from 1.
  int epoch = 0;
  // The mean over the epoch.
  double train_loss = 0;
  // From 0 to 1, on the images that determine the best epoch (Dataset::selection()).
  double accuracy = 0;
};

// Everything that changes during a training, except for the tensors of the network and its step.
struct TrainingState {
  RandomStream random{};
  // The training images in the order of this epoch.
  std::vector<std::uint32_t> order;
  // Counts from 1.
  std::int64_t epoch = 1;
  // The next batch of the epoch, counted from 0.
  std::int64_t batch = 0;
  // Over the batches of the epoch so far.
  double loss_sum = 0;
  // With TrainSettings::patience: the best epoch so far, and the network after it (CopyTensors()).
  double best_accuracy = -1;
  std::int64_t best_epoch = 0;
  std::vector<torch::Tensor> best;
  // The results of the finished epochs.
  std::vector<EpochResult> curve;
  // Seconds of work before this process started or resumed the training.
  double seconds = 0;
};

// Copies the network's parameters and buffers, and restores them.
std::vector<torch::Tensor> CopyTensors(Network& network);
void RestoreTensors(const std::vector<torch::Tensor>& copies, Network& network);

// The result includes the state of torch's global random numbers.
std::string SaveTraining(const TrainingState& state, Network& network, TrainingStep& step);

// Loads the state into a network and step that were made for the same training. Throws
// std::exception if SaveTraining() did not make the bytes for such a training; the arguments are
// then unusable.
void LoadTraining(const std::string& bytes, TrainingState& state, Network& network, TrainingStep& step);

}  // namespace layernas::trainer
