// Early stopping: ends trainings that are hopeless beside others of similar cost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "controller/core/curve.h"

namespace layernas::core {

struct EarlyStopOptions {
  // Number of trainings to compare with. Nothing is judged before there are that many. 0: no
  // training is stopped.
  int compared = 0;
  // Minimum epochs of every training.
  int min_epochs = 1;
};

// The median rule of Golovin et al., "Google Vizier" (KDD 2017), section 3.2.2. It compares only
// neighbours in cost, because a reward that is good for one bucket may be poor for another. A
// training is hopeless if its best reward so far is below the median of its neighbours. These are
// the trainings nearest in cost, each with its best reward after the same number of epochs.
//
// A stopped training counts with its last reward. If stopped trainings were left out, the median
// would be that of an ever smaller elite, and in the end everything would be stopped.
//
// The order of the calls to Add() does not matter. Not thread-safe. O(log n) and `compared` curves
// per call.
class MedianRule {
 public:
  explicit MedianRule(EarlyStopOptions options) : options_(options) {}

  // Adds an ended training. `reward` is its result, or nothing if it was stopped.
  void Add(std::uint64_t number, double cost, const Curve& curve, std::optional<double> reward);

  // For a hopeless training, returns an estimate of its final reward by a least-squares fit to the
  // trainings it is compared with. Returns nothing if the training should continue.
  std::optional<double> Judge(double cost, const Curve& curve) const;

 private:
  struct Training {
    // The best reward up to each point.
    Curve best;
    std::optional<double> reward;
  };

  // Returns the trainings nearest in cost. Ties go to the cheaper one, then to the lower number.
  std::vector<const Training*> Nearest(double cost) const;

  const EarlyStopOptions options_;
  std::map<std::pair<double, std::uint64_t>, Training> trainings_;
};

}  // namespace layernas::core
