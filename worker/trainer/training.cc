#include "worker/trainer/training.h"

#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "worker/trainer/errors.h"
#include "worker/trainer/flat_parameters.h"
#include "worker/trainer/mixed_precision.h"
#include "worker/trainer/moving_average.h"
#include "worker/trainer/training_state.h"

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

std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(const FlatParameters& parameters,
                                                       const TrainSettings& settings) {
  std::vector<torch::optim::OptimizerParamGroup> groups;
  const auto make = [&](const auto& options, auto make_optimizer) {
    groups.emplace_back(std::vector<torch::Tensor>{parameters.weights()}, WithDecay(options, settings.weight_decay));
    groups.emplace_back(std::vector<torch::Tensor>{parameters.others()}, WithDecay(options, 0));
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

// Keeps a training's state while it runs.
class Keeper {
 public:
  Keeper(const TrainingHooks& hooks, double seconds_before) : hooks_(hooks), seconds_before_(seconds_before) {}

  // To be called between two batches; `save` makes the bytes. Throws Interrupted once the state is kept.
  void Look(TrainingState& state, const std::function<std::string()>& save) {
    const bool stop = hooks_.stop && hooks_.stop();
    const bool due = hooks_.checkpoint != nullptr && Since(kept_) >= std::max(kLeastInterval, last_cost_ / kMostCost);
    if (stop || due) {
      const Clock::time_point begin = Clock::now();
      state.seconds = seconds();
      if (hooks_.checkpoint != nullptr) hooks_.checkpoint->Write(save());
      kept_ = Clock::now();
      last_cost_ = Since(begin);
    }
    if (stop) throw Interrupted("stopped in epoch " + std::to_string(state.epoch));
  }

  // Of the whole training, interruptions left out.
  double seconds() const { return seconds_before_ + Since(start_); }

 private:
  using Clock = std::chrono::steady_clock;
  // In seconds. Not worth it for less.
  static constexpr double kLeastInterval = 10;
  // Share of the time that may go into keeping states.
  static constexpr double kMostCost = 0.02;

  static double Since(Clock::time_point point) { return std::chrono::duration<double>(Clock::now() - point).count(); }

  const TrainingHooks& hooks_;
  const double seconds_before_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point kept_ = start_;
  double last_cost_ = 0;
};

}  // namespace

TrainingResult Train(Network& network, const Dataset& dataset, const TrainSettings& settings, std::uint32_t seed,
                     const TrainingHooks& hooks) {
  const std::size_t batch_size = std::min(static_cast<std::size_t>(settings.batch), dataset.train.size());
  const auto batches = static_cast<std::int64_t>(dataset.train.size() / batch_size);
  TensorWriter writer(dataset, std::max(batch_size, kEvaluationBatch));
  const FlatParameters parameters(network);
  const std::unique_ptr<torch::optim::Optimizer> optimizer = MakeOptimizer(parameters, settings);
  std::optional<MovingAverage> moving;
  if (settings.ema_decay > 0) moving.emplace(network, settings.ema_decay);
  MovingAverage* average = moving ? &*moving : nullptr;
  const auto loss_options = torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(settings.label_smoothing);

  TrainingState state;
  state.random = RandomStream({seed});
  state.order.resize(dataset.train.size());
  std::iota(state.order.begin(), state.order.end(), 0);
  if (hooks.checkpoint != nullptr) {
    if (const auto kept = hooks.checkpoint->Read()) {
      // Half of it may have been taken when the rest fails: the next attempt must not meet it again.
      try {
        LoadTraining(*kept, state, network, *optimizer, average);
      } catch (const std::exception& error) {
        hooks.checkpoint->Remove();
        throw MachineError(std::string("the checkpoint of this training is of no use and was removed: ") +
                           error.what());
      }
      if (hooks.on_resume) hooks.on_resume(static_cast<int>(state.epoch));
    }
  }
  Keeper keeper(hooks, state.seconds);

  TrainingResult result;
  while (true) {
    keeper.Look(state, [&] { return SaveTraining(state, network, *optimizer, average); });
    std::vector<std::uint32_t>& order = state.order;
    if (state.batch == 0) {
      Shuffle(order, state.random);
      state.loss_sum = 0;
    }
    if (!network->is_training()) network->train();
    const std::uint32_t* indices = order.data() + static_cast<std::size_t>(state.batch) * batch_size;
    const auto batch = writer.Write(dataset.train, indices, batch_size, settings.augment ? &state.random : nullptr);
    const double rate = LearningRate(settings, (state.epoch - 1) * batches + state.batch, settings.epochs * batches);
    for (auto& group : optimizer->param_groups()) group.options().set_lr(rate);
    optimizer->zero_grad();
    torch::Tensor logits;
    {
      const MixedPrecision precision(settings.precision, torch::kCPU);
      logits = network(batch.images).to(torch::kFloat);
    }
    const torch::Tensor loss = torch::nn::functional::cross_entropy(logits, batch.labels, loss_options);
    const double value = loss.item<double>();
    if (!std::isfinite(value)) {
      throw InfeasibleError("the loss is no longer a finite number in epoch " + std::to_string(state.epoch) +
                            ": a lower train.learning_rate or a train.clip_norm may help");
    }
    state.loss_sum += value;
    loss.backward();
    if (settings.clip_norm > 0) torch::nn::utils::clip_grad_norm_(parameters.all(), settings.clip_norm);
    optimizer->step();
    if (average != nullptr) average->Update(network);
    if (++state.batch < batches) continue;

    const auto epoch = static_cast<int>(state.epoch);
    result.epochs = epoch;
    result.train_loss = state.loss_sum / static_cast<double>(batches);
    if (average != nullptr) average->Swap(network);
    result.accuracy = Accuracy(network, writer, dataset.holdout);
    if (hooks.on_epoch) hooks.on_epoch(epoch, result.accuracy);
    if (result.accuracy > state.best_accuracy) {
      state.best_accuracy = result.accuracy;
      state.best_epoch = epoch;
    }
    if (epoch == settings.epochs || (settings.patience > 0 && epoch - state.best_epoch >= settings.patience)) break;
    // After the last epoch the average stays.
    if (average != nullptr) average->Swap(network);
    state.batch = 0;
    ++state.epoch;
  }
  if (settings.patience > 0) result.accuracy = state.best_accuracy;
  result.seconds = keeper.seconds();
  return result;
}

double Accuracy(Network& network, const Dataset& dataset, const ImageSet& set) {
  TensorWriter writer(dataset, kEvaluationBatch);
  return Accuracy(network, writer, set);
}

}  // namespace layernas::trainer
