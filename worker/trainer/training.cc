#include "worker/trainer/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>
#include <numeric>
#include <string>

#include "worker/trainer/batches.h"
#include "worker/trainer/device.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/training_state.h"
#include "worker/trainer/training_step.h"

namespace layernas::trainer {
namespace {

constexpr std::size_t kEvaluationBatch = 250;

// Reading the loss makes the GPU finish its work before it gets the next batch, so do it rarely.
constexpr std::int64_t kBatchesPerLookOnGpu = 50;

double LearningRate(const TrainSettings& settings, std::int64_t step, std::int64_t steps) {
  const double done = (static_cast<double>(step) + 0.5) / static_cast<double>(steps);
  const double warm_up = settings.warm_up;
  const double factor = done < warm_up ? done / warm_up : 0.5 * (1 + std::cos(M_PI * (done - warm_up) / (1 - warm_up)));
  return settings.learning_rate * factor;
}

double Accuracy(Network& network, BatchSource& batches, const ImageSet& set) {
  network->eval();
  const torch::InferenceMode inference;
  std::vector<std::uint32_t> indices(set.size());
  std::iota(indices.begin(), indices.end(), 0);
  torch::Tensor correct;
  for (std::size_t begin = 0; begin < set.size(); begin += kEvaluationBatch) {
    batches.Choose(set, indices.data() + begin, std::min(kEvaluationBatch, set.size() - begin), nullptr);
    const Batch batch = batches.Take();
    const torch::Tensor here = network(batch.images).argmax(1).eq(batch.labels).sum();
    correct = correct.defined() ? correct + here : here;
  }
  return static_cast<double>(correct.item<std::int64_t>()) / static_cast<double>(set.size());
}

// A variance needs at least two values.
void CheckNormalizations(const network::Graph& graph, std::size_t batch) {
  for (const network::Op& op : graph.ops) {
    if (op.kind != network::OpKind::kNorm || batch > 1 || op.output.height * op.output.width > 1) continue;
    throw InfeasibleError("layer '" + graph.layers[static_cast<std::size_t>(op.layer)] +
                          "' normalizes maps of 1x1, which needs at least 2 training images, but there is only 1");
  }
}

// The loss of a batch may be finite although the running statistics, which do not influence it, are
// not.
void CheckFinite(Network& network) {
  for (const std::vector<torch::Tensor>& tensors : {network->parameters(), network->buffers()}) {
    for (const torch::Tensor& tensor : tensors) {
      if (torch::isfinite(tensor).all().item<bool>()) continue;
      throw InfeasibleError(
          "the trained weights or running statistics are not finite numbers: a lower train.learning_rate or "
          "a train.clip_norm may help");
    }
  }
}

// Saves a training's state while it runs.
class Keeper {
 public:
  Keeper(const TrainingHooks& hooks, double seconds_before) : hooks_(hooks), seconds_before_(seconds_before) {}

  // Call this between two batches; `save` returns the state. Throws Interrupted after saving if a
  // stop was requested.
  void Look(TrainingState& state, const std::function<std::string()>& save) {
    const bool stop = hooks_.stop && hooks_.stop();
    const bool due = hooks_.checkpoint != nullptr && Since(kept_) >= std::max(kLeastInterval, last_cost_ / kMaxCost);
    if (stop || due) {
      const Clock::time_point begin = Clock::now();
      state.seconds = seconds();
      if (hooks_.checkpoint != nullptr) hooks_.checkpoint->Write(save());
      kept_ = Clock::now();
      last_cost_ = Since(begin);
    }
    if (stop) throw Interrupted("stopped in epoch " + std::to_string(state.epoch));
  }

  // The duration of the whole training, without interruptions.
  double seconds() const { return seconds_before_ + Since(start_); }

 private:
  using Clock = std::chrono::steady_clock;
  // The minimum seconds between two saves.
  static constexpr double kLeastInterval = 10;
  // The maximum share of the time that saving may take.
  static constexpr double kMaxCost = 0.02;

  static double Since(Clock::time_point point) { return std::chrono::duration<double>(Clock::now() - point).count(); }

  const TrainingHooks& hooks_;
  const double seconds_before_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point kept_ = start_;
  double last_cost_ = 0;
};

// Resumes from the saved state, if there is one.
void Resume(const TrainingHooks& hooks, TrainingState& state, Network& network, TrainingStep& step) {
  const auto kept = hooks.checkpoint->Read();
  if (!kept) return;
  // If loading fails, half of the state may be in use already. Remove the checkpoint, so that the
  // next attempt does not fail again.
  try {
    LoadTraining(*kept, state, network, step);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    // If memory is lacking, the checkpoint is good, and the next attempt may have the memory for
    // it.
    const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
    if (of_torch != nullptr && IsOutOfMemory(of_torch->what_without_backtrace())) throw;
    hooks.checkpoint->Remove();
    throw MachineError(std::string("removed an unusable checkpoint of this training: ") + error.what());
  }
  step.SetLossSum(state.loss_sum);
  if (hooks.on_resume) hooks.on_resume(static_cast<int>(state.epoch));
  if (!hooks.on_epoch) return;
  for (const EpochResult& epoch : state.curve) hooks.on_epoch(epoch);
}

}  // namespace

TrainingResult Train(Network& network, const Dataset& dataset, const TrainSettings& settings, std::uint32_t seed,
                     const TrainingHooks& hooks, torch::Device device) {
  const std::size_t batch_size = std::min(static_cast<std::size_t>(settings.batch), dataset.train.size());
  const auto batches = static_cast<std::int64_t>(dataset.train.size() / batch_size);
  CheckNormalizations(network->graph(), batch_size);
  const auto source = MakeBatchSource(dataset, std::max(batch_size, kEvaluationBatch), device);
  TrainingStep step(network, *source, settings, device);
  MovingAverage* average = step.average();

  TrainingState state;
  state.random = RandomStream({seed});
  state.order.resize(dataset.train.size());
  std::iota(state.order.begin(), state.order.end(), 0);
  if (hooks.checkpoint != nullptr) Resume(hooks, state, network, step);
  Keeper keeper(hooks, state.seconds);
  // Throws InfeasibleError.
  const auto look_at_loss = [&] {
    state.loss_sum = step.LossSum();
    if (std::isfinite(state.loss_sum)) return;
    throw InfeasibleError("the loss is no longer a finite number in epoch " + std::to_string(state.epoch) +
                          ": a lower train.learning_rate or a train.clip_norm may help");
  };

  TrainingResult result;
  while (true) {
    keeper.Look(state, [&] {
      look_at_loss();
      return SaveTraining(state, network, step);
    });
    std::vector<std::uint32_t>& order = state.order;
    if (state.batch == 0) {
      Shuffle(order, state.random);
      step.SetLossSum(0);
    }
    const std::uint32_t* indices = order.data() + static_cast<std::size_t>(state.batch) * batch_size;
    source->Choose(dataset.train, indices, batch_size, settings.augment ? &state.random : nullptr);
    step.Run(LearningRate(settings, (state.epoch - 1) * batches + state.batch, settings.epochs * batches));
    ++state.batch;
    if (device.is_cpu() || state.batch == batches || state.batch % kBatchesPerLookOnGpu == 0) look_at_loss();
    if (state.batch < batches) continue;

    const auto epoch = static_cast<int>(state.epoch);
    result.epochs = epoch;
    result.train_loss = state.loss_sum / static_cast<double>(batches);
    if (average != nullptr) average->Swap(network);
    result.accuracy = Accuracy(network, *source, dataset.selection());
    state.curve.push_back({epoch, result.train_loss, result.accuracy});
    if (hooks.on_epoch) hooks.on_epoch(state.curve.back());
    if (settings.patience > 0 && result.accuracy > state.best_accuracy) {
      state.best_accuracy = result.accuracy;
      state.best_epoch = epoch;
      state.best = CopyTensors(network);
    }
    if (epoch == settings.epochs || (settings.patience > 0 && epoch - state.best_epoch >= settings.patience)) break;
    // After the last epoch, leave the average in the network.
    if (average != nullptr) average->Swap(network);
    state.batch = 0;
    ++state.epoch;
  }
  if (settings.patience > 0) {
    RestoreTensors(state.best, network);
    result.accuracy = state.best_accuracy;
  }
  CheckFinite(network);
  if (&dataset.selection() != &dataset.holdout) result.accuracy = Accuracy(network, *source, dataset.holdout);
  result.seconds = keeper.seconds();
  return result;
}

double Accuracy(Network& network, const Dataset& dataset, const ImageSet& set) {
  return Accuracy(network, *MakeBatchSource(dataset, kEvaluationBatch, torch::kCPU), set);
}

}  // namespace layernas::trainer
