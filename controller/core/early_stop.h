// Ends trainings early that are hopeless beside others of like cost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "controller/core/curve.h"

namespace layernas::core {

struct EarlyStopOptions {
  // Trainings that one is compared with; nothing is judged before there are as many. 0: none is ever stopped.
  int compared = 0;
  // Epochs that every training has, at least.
  int min_epochs = 1;
};

// The median rule of Golovin et al., "Google Vizier" (KDD 2017), section 3.2.2, among neighbours in cost, for what is
// good for one bucket may be poor for another: a training is hopeless if its best reward so far is below the median of
// the best rewards that the trainings nearest to it in cost had after as many epochs.
//
// A training that was stopped counts with the last that it reached. Were it left out, the median would be that of an
// ever smaller elite, and in the end everything would be stopped.
//
// The order of the calls to Add() does not matter. Not thread-safe. O(log n) and `compared` curves per call.
class MedianRule {
 public:
  explicit MedianRule(EarlyStopOptions options) : options_(options) {}

  // A training that has ended, by number; `reward` is its result, or nothing if it was stopped.
  void Add(std::uint64_t number, double cost, const Curve& curve, std::optional<double> reward);

  // For a hopeless training the reward that it could have been expected to end with, from how those compared with went
  // on (least squares); nothing for one that should go on.
  std::optional<double> Judge(double cost, const Curve& curve) const;

 private:
  struct Training {
    // The best reward up to each point.
    Curve best;
    std::optional<double> reward;
  };

  // Those nearest in cost; of two that are equally near the cheaper, or the one of the lower number.
  std::vector<const Training*> Nearest(double cost) const;

  const EarlyStopOptions options_;
  std::map<std::pair<double, std::uint64_t>, Training> trainings_;
};

}  // namespace layernas::core
