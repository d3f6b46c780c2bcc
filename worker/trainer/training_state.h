// Where a training stands, as bytes from which it goes on as if it had never stopped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "worker/trainer/network.h"
#include "worker/trainer/training_step.h"

namespace layernas::trainer {

struct EpochResult {
  // From 1.
  int epoch = 0;
  // Mean over the epoch.
  double train_loss = 0;
  // On the images that the best epoch is chosen by (Dataset::selection), 0 to 1.
  double accuracy = 0;
};

// What changes during a training, apart from the tensors of the network and its step.
struct TrainingState {
  RandomStream random{};
  // The training images in the order of this epoch.
  std::vector<std::uint32_t> order;
  // From 1.
  std::int64_t epoch = 1;
  // The next one of the epoch, from 0.
  std::int64_t batch = 0;
  // Over the batches of the epoch so far.
  double loss_sum = 0;
  // With TrainSettings::patience: the epoch that was best so far, and the network as it was then (CopyTensors).
  double best_accuracy = -1;
  std::int64_t best_epoch = 0;
  std::vector<torch::Tensor> best;
  // Of the epochs that are done.
  std::vector<EpochResult> curve;
  // Of work, before the process began or went on.
  double seconds = 0;
};

// Copies of the network's parameters and buffers, and the way back.
std::vector<torch::Tensor> CopyTensors(Network& network);
void RestoreTensors(const std::vector<torch::Tensor>& copies, Network& network);

// The state of torch's global random numbers is kept too.
std::string SaveTraining(const TrainingState& state, Network& network, TrainingStep& step);

// Into a network and its step that were made for the same training. Throws std::exception for bytes that SaveTraining
// did not make of such; what was passed is of no use then.
void LoadTraining(const std::string& bytes, TrainingState& state, Network& network, TrainingStep& step);

}  // namespace layernas::trainer
