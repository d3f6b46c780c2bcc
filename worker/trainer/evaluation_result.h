// What the evaluation of an architecture tells, meanwhile and at its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace layernas::trainer {

// By name. A value may be NaN or infinite where it could not be measured.
using Metrics = std::map<std::string, double>;

// A trained network on disk (weights.h).
struct KeptWeights {
  // Absolute.
  std::string path;
  // Of the file, in hexadecimal.
  std::string sha256;
  std::uint64_t bytes = 0;
};

struct EvaluationResult {
  EvaluationResult(Metrics of_network) : metrics(std::move(of_network)) {}
  Metrics metrics;
  // Where the request asked for them.
  std::optional<KeptWeights> weights;
};

// How far the loading of a data set is; 0 of 0 where that is not known.
struct Loading {
  std::size_t done = 0;
  std::size_t images = 0;
};

struct Progress {
  // Set while data is loaded, before the first epoch; the rest then says nothing.
  std::optional<Loading> loading = std::nullopt;
  int epoch = 0;
  int epochs = 0;
  // Accuracy so far, 0 to 1.
  double reward = 0;
};
using ProgressCallback = std::function<void(const Progress&)>;

}  // namespace layernas::trainer
