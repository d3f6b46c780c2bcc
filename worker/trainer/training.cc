#include "worker/trainer/training.h"

#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

constexpr std::size_t kEvaluationBatch = 250;

// Batches of one data set as tensors, in buffers that are used again and again.
class TensorWriter {
 public:
  TensorWriter(const Dataset& dataset, std::size_t max_batch)
      : writer_(dataset), images_(max_batch * dataset.train.image_bytes()), labels_(max_batch) {}

  struct Batch {
    torch::Tensor images;
    torch::Tensor labels;
  };

  // Valid until the next call.
  Batch Write(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment) {
    writer_.Write(set, indices, count, augment, images_.data());
    for (std::size_t i = 0; i < count; ++i) labels_[i] = set.labels[indices[i]];
    const auto n = static_cast<std::int64_t>(count);
    return {torch::from_blob(images_.data(), {n, set.shape.height, set.shape.width, set.shape.channels})
                .permute({0, 3, 1, 2}),
            torch::from_blob(labels_.data(), {n}, torch::kInt64)};
  }

 private:
  const BatchWriter writer_;
  std::vector<float> images_;
  std::vector<std::int64_t> labels_;
};

template <typename Options>
std::unique_ptr<torch::optim::OptimizerOptions> WithDecay(Options options, double weight_decay) {
  options.weight_decay(weight_decay);
  return std::make_unique<Options>(options);
}

std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(Network& network, const TrainSettings& settings) {
  std::vector<torch::Tensor> decayed, plain;
  for (torch::Tensor& parameter : network->parameters()) (parameter.dim() > 1 ? decayed : plain).push_back(parameter);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  const auto make = [&](const auto& options, auto make_optimizer) {
    groups.emplace_back(decayed, WithDecay(options, settings.weight_decay));
    groups.emplace_back(plain, WithDecay(options, 0));
    return make_optimizer(options);
  };
  if (settings.optimizer == Optimizer::kAdamW) {
    return make(torch::optim::AdamWOptions(settings.learning_rate),
                [&](const auto& options) -> std::unique_ptr<torch::optim::Optimizer> {
                  return std::make_unique<torch::optim::AdamW>(groups, options);
                });
  }
  return make(
      torch::optim::SGDOptions(settings.learning_rate).momentum(settings.momentum).nesterov(settings.momentum > 0),
      [&](const auto& options) -> std::unique_ptr<torch::optim::Optimizer> {
        return std::make_unique<torch::optim::SGD>(groups, options);
      });
}

double LearningRate(const TrainSettings& settings, std::int64_t step, std::int64_t steps) {
  const double done = (static_cast<double>(step) + 0.5) / static_cast<double>(steps);
  const double warm_up = settings.warm_up;
  const double factor = done < warm_up ? done / warm_up : 0.5 * (1 + std::cos(M_PI * (done - warm_up) / (1 - warm_up)));
  return settings.learning_rate * factor;
}

// Exponential moving average of everything that a network has learned: weights and the statistics of its
// normalizations.
class MovingAverage {
 public:
  MovingAverage(Network& network, double decay) : decay_(decay) {
    const torch::NoGradGuard no_grad;
    for (const torch::Tensor& tensor : Tensors(network)) average_.push_back(tensor.detach().clone());
  }

  void Update(Network& network) {
    const torch::NoGradGuard no_grad;
    ++steps_;
    // Short at first, or the average would be of the initial weights for long.
    const double decay = std::min(decay_, (1.0 + steps_) / (10.0 + steps_));
    const std::vector<torch::Tensor> now = Tensors(network);
    for (std::size_t i = 0; i < now.size(); ++i) average_[i].lerp_(now[i], 1 - decay);
  }

  // Exchanges the network's state with the average; a second call takes it back.
  void Swap(Network& network) {
    const torch::NoGradGuard no_grad;
    const std::vector<torch::Tensor> now = Tensors(network);
    for (std::size_t i = 0; i < now.size(); ++i) {
      const torch::Tensor kept = now[i].clone();
      torch::Tensor state = now[i];
      state.copy_(average_[i]);
      average_[i].copy_(kept);
    }
  }

 private:
  static std::vector<torch::Tensor> Tensors(Network& network) {
    std::vector<torch::Tensor> tensors = network->parameters();
    for (const torch::Tensor& buffer : network->buffers()) {
      // Not the number of batches seen.
      if (buffer.is_floating_point()) tensors.push_back(buffer);
    }
    return tensors;
  }

  const double decay_;
  double steps_ = 0;
  std::vector<torch::Tensor> average_;
};

double Accuracy(Network& network, TensorWriter& writer, const ImageSet& set) {
  network->eval();
  const torch::InferenceMode inference;
  std::vector<std::uint32_t> indices(set.size());
  std::iota(indices.begin(), indices.end(), 0);
  std::int64_t correct = 0;
  for (std::size_t begin = 0; begin < set.size(); begin += kEvaluationBatch) {
    const std::size_t count = std::min(kEvaluationBatch, set.size() - begin);
    const auto batch = writer.Write(set, indices.data() + begin, count, nullptr);
    correct += network(batch.images).argmax(1).eq(batch.labels).sum().item<std::int64_t>();
  }
  return static_cast<double>(correct) / static_cast<double>(set.size());
}

}  // namespace

TrainingResult Train(Network& network, const Dataset& dataset, const TrainSettings& settings, std::uint32_t seed,
                     const EpochCallback& on_epoch) {
  const std::size_t batch_size = std::min(static_cast<std::size_t>(settings.batch), dataset.train.size());
  const auto batches = static_cast<std::int64_t>(dataset.train.size() / batch_size);
  TensorWriter writer(dataset, std::max(batch_size, kEvaluationBatch));
  const std::unique_ptr<torch::optim::Optimizer> optimizer = MakeOptimizer(network, settings);
  std::optional<MovingAverage> average;
  if (settings.ema_decay > 0) average.emplace(network, settings.ema_decay);
  const auto loss_options = torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(settings.label_smoothing);
  const std::vector<torch::Tensor> parameters = network->parameters();
  RandomStream random({seed});
  std::vector<std::uint32_t> order(dataset.train.size());
  std::iota(order.begin(), order.end(), 0);

  TrainingResult result;
  double best = -1;
  int best_epoch = 0;
  for (int epoch = 1; epoch <= settings.epochs; ++epoch) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
    network->train();
    double loss_sum = 0;
    for (std::int64_t index = 0; index < batches; ++index) {
      const std::uint32_t* indices = order.data() + static_cast<std::size_t>(index) * batch_size;
      const auto batch = writer.Write(dataset.train, indices, batch_size, settings.augment ? &random : nullptr);
      const double rate = LearningRate(settings, (epoch - 1) * batches + index, settings.epochs * batches);
      for (auto& group : optimizer->param_groups()) group.options().set_lr(rate);
      optimizer->zero_grad();
      const torch::Tensor loss =
          torch::nn::functional::cross_entropy(network(batch.images), batch.labels, loss_options);
      const double value = loss.item<double>();
      if (!std::isfinite(value)) {
        throw InfeasibleError("the loss is no longer a finite number in epoch " + std::to_string(epoch) +
                              ": a lower train.learning_rate or a train.clip_norm may help");
      }
      loss_sum += value;
      loss.backward();
      if (settings.clip_norm > 0) torch::nn::utils::clip_grad_norm_(parameters, settings.clip_norm);
      optimizer->step();
      if (average) average->Update(network);
    }
    result.epochs = epoch;
    result.train_loss = loss_sum / static_cast<double>(batches);
    if (average) average->Swap(network);
    result.accuracy = Accuracy(network, writer, dataset.holdout);
    on_epoch(epoch, result.accuracy);
    if (result.accuracy > best) {
      best = result.accuracy;
      best_epoch = epoch;
    }
    const bool last = epoch == settings.epochs || (settings.patience > 0 && epoch - best_epoch >= settings.patience);
    if (last) break;
    // After the last epoch the average stays.
    if (average) average->Swap(network);
  }
  if (settings.patience > 0) result.accuracy = best;
  return result;
}

double Accuracy(Network& network, const Dataset& dataset, const ImageSet& set) {
  TensorWriter writer(dataset, kEvaluationBatch);
  return Accuracy(network, writer, set);
}

}  // namespace layernas::trainer
