// One request of the evaluator protocol, read strictly.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/network/graph.h"

namespace layernas::trainer {

// Which images the accuracy is taken on: held out of the training images (what a search should look at), or the data
// set's test images (for the final training of what it found).
enum class Holdout { kValidation, kTest };

// What identifies the images; equal settings give equal data.
struct DataSettings {
  // shapes10, cifar10, cifar100, idx or image_folder.
  std::string dataset;
  // Below the trainer's data directory; empty = the directory itself.
  std::string folder;
  // Without a number: see dataset.h.
  std::optional<int> train_examples;
  std::optional<int> validation_examples;
  Holdout holdout = Holdout::kValidation;
  // With Holdout::kTest: validation images are held out of the training images too, to choose the best epoch by.
  bool with_validation = false;
  // Files of an image folder that are no images, or are broken, are left out and named in the log; else they are
  // errors.
  bool skip_bad_files = false;
  std::uint32_t data_seed = 1;
  // What the network takes: images that are generated or decoded are made to fit it.
  network::Shape input = {3, 32, 32};
};

enum class Optimizer { kSgd, kAdamW };

// What a network calculates in. With kBfloat16 a training keeps weights and statistics in 32 bits.
enum class Precision { kFloat32, kBfloat16 };

struct TrainSettings {
  DataSettings data;
  int epochs = 5;
  int batch = 64;
  Optimizer optimizer = Optimizer::kSgd;
  // Peak of the schedule: linear warm-up over the first `warm_up` of the steps, then half a cosine down to zero.
  double learning_rate = 0.1;
  double warm_up = 0.1;
  // Of SGD, with Nesterov's correction.
  double momentum = 0.9;
  // Not applied to batch normalization and biases.
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  bool augment = true;
  // Longest gradient, all weights taken together; 0 = any.
  double clip_norm = 0;
  // The accuracy is taken with a moving average of the weights; 0 = with the weights themselves.
  double ema_decay = 0;
  // Epochs without a better validation accuracy after which the training ends with the weights of the best epoch;
  // 0 = never: the weights are those of the last epoch.
  int patience = 0;
  Precision precision = Precision::kFloat32;
};

struct MeasureSettings {
  int batch = 1;
  // Least numbers of runs.
  int warm_up = 20;
  int runs = 200;
  int max_runs = 20 * runs;
  int threads = 1;
  // Most that the ratio to the reference network may be uncertain, as a share of it.
  std::optional<double> ratio_interval;
  // Of the network; the reference always has 32 bits.
  Precision precision = Precision::kFloat32;
};

struct EvaluateRequest {
  std::string task;
  // Where the trained network is to be kept, below the trainer's folder for weights and without a file type; empty =
  // not. Means nothing where nothing is trained.
  std::string keep_weights;
  network::Graph network;
  // What is wanted. A network that is not trained is measured as it is initialised, and `train` says nothing.
  bool is_trained = true;
  bool is_measured = true;
  TrainSettings train;
  MeasureSettings measure;
  // All of the request that determines the trained network, as text.
  std::string training_key;
  // Of initialisation, shuffling and augmentation.
  std::uint32_t seed = 0;
};

// `message` is one parsed line: {"evaluate": {…}}. Throws InfeasibleError, naming the field.
EvaluateRequest ParseRequest(const nlohmann::json& message);

}  // namespace layernas::trainer
