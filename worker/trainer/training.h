// Trains a network and takes its accuracy.
#pragma once

#include <functional>

#include "worker/trainer/dataset.h"
#include "worker/trainer/network.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

struct TrainingResult {
  // On the holdout images, 0 to 1. Of the best epoch with TrainSettings::patience, else of the last.
  double accuracy = 0;
  // Mean over the last epoch.
  double train_loss = 0;
  // Fewer than asked for where the training was ended by TrainSettings::patience.
  int epochs = 0;
};

// Called after each epoch, the last one included.
using EpochCallback = std::function<void(int epoch, double accuracy)>;

// Trains `network` in place, as `settings` say, batches in random order (those that are not full left out; a data set
// smaller than one batch is one batch). On one thread the same seed gives the
// same result on the same machine. Throws InfeasibleError if the loss stops being a finite number.
TrainingResult Train(Network& network, const Dataset& dataset, const TrainSettings& settings, std::uint32_t seed,
                     const EpochCallback& on_epoch);

// Share of `set` that the network classifies as labelled. Leaves the network in evaluation mode.
double Accuracy(Network& network, const Dataset& dataset, const ImageSet& set);

}  // namespace layernas::trainer
