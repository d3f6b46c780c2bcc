// Trains a network and takes its accuracy.
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
  // Of the network as it is left, on the holdout images, 0 to 1.
  double accuracy = 0;
  // Mean over the last epoch.
  double train_loss = 0;
  // Fewer than asked for where the training was ended by TrainSettings::patience.
  int epochs = 0;
  // Of all the processes that had a part in it.
  double seconds = 0;
};

// What the caller of a training may want of it; each may be left out.
struct TrainingHooks {
  // Called after each epoch, the last one included. When a training resumes, it is called again for each epoch that was
  // done before, in order: what is told is always the whole curve.
  std::function<void(const EpochResult&)> on_epoch;
  // Asked before each batch: true ends the training.
  std::function<bool()> stop;
  // Where the training goes on from, if something is there, and where its state is kept: when it is stopped, and now
  // and then, so that keeping takes no more than a fiftieth of the time.
  const Checkpoint* checkpoint = nullptr;
  // Called when the training resumes from a kept state, in `epoch`, before on_epoch is called for the epochs before.
  std::function<void(int epoch)> on_resume = nullptr;
};

// The training was stopped, and its state is in the checkpoint.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Trains `network`, which lies on `device`, in place, as `settings` say, batches in random order (those that are not
// full left out; a data set smaller than one batch is one batch). With TrainSettings::patience the network is left as
// it was after the epoch that was best on Dataset::selection(), else as it is after the last. If that is not the
// holdout, the holdout is looked at only once, at the end. On one thread the same seed gives the same result on the
// same machine's processor, whether it was interrupted or not. Throws InfeasibleError if the loss stops being a finite
// number, if the network is left with a number that is not finite, or if a normalization would see one value per
// channel (one image of 1x1); Interrupted after TrainingHooks::stop.
TrainingResult Train(Network& network, const Dataset& dataset, const TrainSettings& settings, std::uint32_t seed,
                     const TrainingHooks& hooks = {}, torch::Device device = torch::kCPU);

// Share of `set` that the network, which lies on the processor, classifies as labelled. Leaves the network in
// evaluation mode.
double Accuracy(Network& network, const Dataset& dataset, const ImageSet& set);

}  // namespace layernas::trainer
