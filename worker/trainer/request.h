// One request of the evaluator protocol, read strictly.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "worker/trainer/architecture.h"

namespace layernas::trainer {

// Which images the accuracy is taken on: held out of the training images (what a search should look at), or the data
// set's test images (for the final training of what it found).
enum class Holdout { kValidation, kTest };

// What identifies the images; equal settings give equal data.
struct DataSettings {
  // shapes10, cifar10 or idx.
  std::string dataset;
  // Below the trainer's data directory; empty = the directory itself.
  std::string folder;
  // Without a number: see dataset.h.
  std::optional<int> train_examples;
  std::optional<int> validation_examples;
  Holdout holdout = Holdout::kValidation;
  std::uint32_t data_seed = 1;
};

struct TrainSettings {
  DataSettings data;
  int epochs = 5;
  int batch = 64;
  // Peak of the schedule: linear warm-up over the first tenth of the steps, then half a cosine down to zero.
  double learning_rate = 0.1;
  double momentum = 0.9;
  // Not applied to batch normalization and biases.
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  bool augment = true;
};

struct MeasureSettings {
  int batch = 1;
  int warm_up = 20;
  int runs = 200;
};

struct EvaluateRequest {
  std::string task;
  NetworkPlan network;
  TrainSettings train;
  MeasureSettings measure;
  // Of initialisation, shuffling and augmentation.
  std::uint32_t seed = 0;
};

// `message` is one parsed line: {"evaluate": {…}}. Throws InfeasibleError, naming the field.
EvaluateRequest ParseRequest(const nlohmann::json& message);

}  // namespace layernas::trainer
