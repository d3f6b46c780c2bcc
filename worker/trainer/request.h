// A request of the evaluator protocol, parsed strictly.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/network/graph.h"

namespace layernas::trainer {

// The images that determine the accuracy: held out of the training images, for a search, or the
// data set's test images, for the final training of its results.
enum class Holdout { kValidation, kTest };

// The settings that identify the images. Equal settings give equal data.
struct DataSettings {
  // One of shapes10, cifar10, cifar100, idx and image_folder.
  std::string dataset;
  // A folder below the trainer's data directory; empty: the directory itself.
  std::string folder;
  // The defaults are in dataset.h.
  std::optional<int> train_examples;
  std::optional<int> validation_examples;
  Holdout holdout = Holdout::kValidation;
  // With Holdout::kTest: validation images are held out of the training images too, to choose the
  // best epoch.
  bool with_validation = false;
  // True: files of an image folder that are not images, or are broken, are skipped and named in the
  // log. False: they are errors.
  bool skip_bad_files = false;
  std::uint32_t data_seed = 1;
  // The network's input. Images are generated or decoded in this shape.
  network::Shape input = {3, 32, 32};
};

enum class Optimizer { kSgd, kAdamW };

// The precision of a network's arithmetic. A training with kBfloat16 keeps weights and statistics
// in 32 bits.
enum class Precision { kFloat32, kBfloat16 };

struct TrainSettings {
  DataSettings data;
  int epochs = 5;
  int batch = 64;
  Optimizer optimizer = Optimizer::kSgd;
  // The peak of the schedule: a linear warm-up over the first `warm_up` of the steps, then half a
  // cosine down to zero.
  double learning_rate = 0.1;
  double warm_up = 0.1;
  // For SGD, with Nesterov's correction.
  double momentum = 0.9;
  // Not applied to batch normalization and biases.
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  bool augment = true;
  // The maximum norm of the gradient of all weights; 0: unlimited.
  double clip_norm = 0;
  // The decay of a moving average of the weights, with which the accuracy is measured; 0: the
  // weights themselves.
  double ema_decay = 0;
  // The number of epochs without a better validation accuracy after which the training ends with
  // the weights of the best epoch. 0: it never ends early, and the weights are those of the last
  // epoch.
  int patience = 0;
  Precision precision = Precision::kFloat32;
};

struct MeasureSettings {
  int batch = 1;
  // The minimum numbers of runs.
  int warm_up = 20;
  int runs = 200;
  int max_runs = 20 * runs;
  int threads = 1;
  // The maximum uncertainty of the ratio to the reference network, as a share of the ratio.
  std::optional<double> ratio_interval;
  // For the network; the reference always uses 32 bits.
  Precision precision = Precision::kFloat32;
};

struct EvaluateRequest {
  std::string task;
  // The file for the trained network: a path below the trainer's folder for weights, without a file
  // extension. Empty: it is not kept. Has no meaning if nothing is trained.
  std::string keep_weights;
  network::Graph network;
  // The requested work. A network that is not trained is measured with its initial weights, and
  // `train` has no meaning.
  bool is_trained = true;
  bool is_measured = true;
  TrainSettings train;
  MeasureSettings measure;
  // Everything in the request that determines the trained network, as text.
  std::string training_key;
  // For initialisation, shuffling and augmentation.
  std::uint32_t seed = 0;
};

// `message` is one parsed line: {"evaluate": {…}}. Throws InfeasibleError, which names the field.
EvaluateRequest ParseRequest(const nlohmann::json& message);

}  // namespace layernas::trainer
