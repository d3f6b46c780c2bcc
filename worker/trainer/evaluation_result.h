// The result of an evaluation, and its progress.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace layernas::trainer {

// Values by name. A value is NaN or infinite if it could not be measured.
using Metrics = std::map<std::string, double>;

// A trained network on disk (see weights.h).
struct KeptWeights {
  // An absolute path.
  std::string path;
  // The hash of the file, in hexadecimal digits.
  std::string sha256;
  std::uint64_t bytes = 0;
};

struct EvaluationResult {
  EvaluationResult(Metrics of_network) : metrics(std::move(of_network)) {}
  Metrics metrics;
  // Set if the request asked for it.
  std::optional<KeptWeights> weights;
};

// The progress of loading a data set; 0 of 0 if it is unknown.
struct Loading {
  std::size_t done = 0;
  std::size_t images = 0;
};

struct Progress {
  // Set while data is loaded, before the first epoch. The other fields then have no meaning.
  std::optional<Loading> loading = std::nullopt;
  int epoch = 0;
  int epochs = 0;
  // The current accuracy, from 0 to 1.
  double reward = 0;
};
using ProgressCallback = std::function<void(const Progress&)>;

}  // namespace layernas::trainer
