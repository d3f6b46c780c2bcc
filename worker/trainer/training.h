// Trains a network and measures its accuracy.
#pragma once

#include <functional>
#include <stdexcept>

#include "worker/trainer/checkpoint.h"
#include "worker/trainer/dataset.h"
#include "worker/trainer/network.h"
#include "worker/trainer/request.h"
#include "worker/trainer/training_state.h"

namespace layernas::trainer {

struct TrainingResult {
  // The accuracy of the final network on the holdout images, from 0 to 1.
  double accuracy = 0;
  // The mean over the last epoch.
  double train_loss = 0;
  // Fewer than requested if TrainSettings::patience ended the training.
  int epochs = 0;
  // The sum over all processes that took part in the training.
  double seconds = 0;
};

// Optional callbacks and settings of a training.
struct TrainingHooks {
  // Called after each epoch, including the last one. When a training resumes, it is called again
  // for each earlier epoch, in order. So the calls always give the whole curve.
  std::function<void(const EpochResult&)> on_epoch;
  // Called before each batch; true ends the training.
  std::function<bool()> stop;
  // Where the training resumes from, if there is a state, and where it saves its state. It saves
  // when it is stopped, and from time to time. Saving takes at most a fiftieth of the time.
  const Checkpoint* checkpoint = nullptr;
  // Called when the training resumes in `epoch`, before on_epoch is called for the earlier epochs.
  std::function<void(int epoch)> on_resume = nullptr;
};

// The training was stopped, and its state is in the checkpoint.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Trains `network`, which must be on `device`, in place. Batches are in random order. Incomplete
// batches are skipped, but a data set smaller than one batch is one batch. With
// TrainSettings::patience, the network is left in the state after the epoch that was best on
// Dataset::selection(); otherwise in the state after the last epoch. If the selection is not the
// holdout, the holdout is used only once, at the end. With one thread, the same seed gives the same
// result on the processor of the same machine, whether the training was interrupted or not. Throws
// InfeasibleError if the loss or the final network contains a number that is not finite, or if a
// normalization would see one value per channel (one image of 1x1). Throws Interrupted after
// TrainingHooks::stop.
TrainingResult Train(Network& network, const Dataset& dataset, const TrainSettings& settings, std::uint32_t seed,
                     const TrainingHooks& hooks = {}, torch::Device device = torch::kCPU);

// Returns the share of `set` that the network, which must be on the processor, classifies as
// labelled. Leaves the network in evaluation mode.
double Accuracy(Network& network, const Dataset& dataset, const ImageSet& set);

}  // namespace layernas::trainer
