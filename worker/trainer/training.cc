#include "worker/trainer/training.h"

#include <torch/optim/sgd.h>

#include <algorithm>
#include <cmath>
#include <numeric>

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

torch::optim::SGD MakeOptimizer(Network& network, const TrainSettings& settings) {
  std::vector<torch::Tensor> decayed, plain;
  for (torch::Tensor& parameter : network->parameters()) (parameter.dim() > 1 ? decayed : plain).push_back(parameter);
  const auto options = [&](double weight_decay) {
    return std::make_unique<torch::optim::SGDOptions>(torch::optim::SGDOptions(settings.learning_rate)
                                                          .momentum(settings.momentum)
                                                          .nesterov(settings.momentum > 0)
                                                          .weight_decay(weight_decay));
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(decayed, options(settings.weight_decay));
  groups.emplace_back(plain, options(0));
  return torch::optim::SGD(groups, torch::optim::SGDOptions(settings.learning_rate));
}

double LearningRate(const TrainSettings& settings, std::int64_t step, std::int64_t steps) {
  const double done = (static_cast<double>(step) + 0.5) / static_cast<double>(steps);
  constexpr double kWarmUp = 0.1;
  const double factor = done < kWarmUp ? done / kWarmUp : 0.5 * (1 + std::cos(M_PI * (done - kWarmUp) / (1 - kWarmUp)));
  return settings.learning_rate * factor;
}

void SetLearningRate(torch::optim::SGD& optimizer, double rate) {
  for (auto& group : optimizer.param_groups()) static_cast<torch::optim::SGDOptions&>(group.options()).lr(rate);
}

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
  torch::optim::SGD optimizer = MakeOptimizer(network, settings);
  const auto loss_options = torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(settings.label_smoothing);
  RandomStream random({seed});
  std::vector<std::uint32_t> order(dataset.train.size());
  std::iota(order.begin(), order.end(), 0);

  TrainingResult result;
  for (int epoch = 1; epoch <= settings.epochs; ++epoch) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
    network->train();
    double loss_sum = 0;
    for (std::int64_t index = 0; index < batches; ++index) {
      const std::uint32_t* indices = order.data() + static_cast<std::size_t>(index) * batch_size;
      const auto batch = writer.Write(dataset.train, indices, batch_size, settings.augment ? &random : nullptr);
      SetLearningRate(optimizer, LearningRate(settings, (epoch - 1) * batches + index, settings.epochs * batches));
      optimizer.zero_grad();
      const torch::Tensor loss =
          torch::nn::functional::cross_entropy(network(batch.images), batch.labels, loss_options);
      const double value = loss.item<double>();
      if (!std::isfinite(value)) {
        throw InfeasibleError("the loss is no longer a finite number in epoch " + std::to_string(epoch) +
                              ": a lower train.learning_rate may help");
      }
      loss_sum += value;
      loss.backward();
      optimizer.step();
    }
    result.train_loss = loss_sum / static_cast<double>(batches);
    result.accuracy = Accuracy(network, writer, dataset.holdout);
    on_epoch(epoch, result.accuracy);
  }
  return result;
}

double Accuracy(Network& network, const Dataset& dataset, const ImageSet& set) {
  TensorWriter writer(dataset, kEvaluationBatch);
  return Accuracy(network, writer, set);
}

}  // namespace layernas::trainer
