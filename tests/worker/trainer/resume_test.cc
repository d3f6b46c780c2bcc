// Tests that an interrupted training has the same result as an uninterrupted one.
#include <gmock/gmock.h>

#include <fstream>
#include <vector>

#include "common/network/architecture.h"
#include "tests/worker/trainer/temp_folder.h"
#include "tests/worker/trainer/test_requests.h"
#include "worker/trainer/training.h"

namespace layernas::trainer {
namespace {

class Resume : public TempFolder {
 protected:
  static void SetUpTestSuite() { torch::set_num_threads(1); }

  void SetUp() override {
    TempFolder::SetUp();
    DataSettings data;
    data.dataset = "shapes10";
    data.train_examples = 103;  // Incomplete batches are skipped.
    data.validation_examples = 50;
    dataset_ = LoadDataset(data, "");
    settings_.epochs = 3;
    settings_.batch = 20;
  }

  struct Outcome {
    TrainingResult result;
    std::vector<torch::Tensor> state;
    // As the last process reported them.
    std::vector<double> accuracies;
    std::vector<double> losses;
    int interruptions = 0;
  };

  // Runs one process after another, each stopped after `batches` batches; 0: never stopped.
  Outcome Run(int batches) {
    const Checkpoint checkpoint({folder_ / "checkpoints", 100 << 20}, "key", [](const std::string&) {});
    Outcome outcome;
    while (true) {
      // Simulates a process that has done other work before.
      torch::manual_seed(5 + outcome.interruptions);
      const nlohmann::json body = SmallRequest()["evaluate"];
      Network network(network::PlanNetwork(body["architecture"], body["network"]));
      if (outcome.interruptions == 0) {
        torch::manual_seed(5);
        network = Network(network::PlanNetwork(body["architecture"], body["network"]));
      }
      int done = 0;
      TrainingHooks hooks;
      outcome.accuracies.clear();
      outcome.losses.clear();
      hooks.on_epoch = [&](const EpochResult& epoch) {
        outcome.accuracies.push_back(epoch.accuracy);
        outcome.losses.push_back(epoch.train_loss);
        EXPECT_EQ(epoch.epoch, static_cast<int>(outcome.losses.size()));
      };
      hooks.stop = [&] { return batches > 0 && done++ == batches; };
      hooks.checkpoint = &checkpoint;
      try {
        outcome.result = Train(network, dataset_, settings_, 3, hooks);
      } catch (const Interrupted&) {
        ++outcome.interruptions;
        continue;
      }
      checkpoint.Remove();
      outcome.state = network->parameters();
      for (const torch::Tensor& buffer : network->buffers()) outcome.state.push_back(buffer);
      return outcome;
    }
  }

  void ExpectSameInParts() {
    const Outcome whole = Run(0);
    // There are 15 batches. Stops within epochs, between epochs, and after each batch.
    for (const int batches : {7, 5, 1}) {
      const Outcome parts = Run(batches);
      EXPECT_EQ(parts.interruptions, batches == 7 ? 2 : batches == 5 ? 2 : 14);
      EXPECT_EQ(parts.result.train_loss, whole.result.train_loss);
      EXPECT_EQ(parts.result.accuracy, whole.result.accuracy);
      EXPECT_EQ(parts.result.epochs, whole.result.epochs);
      EXPECT_EQ(parts.accuracies, whole.accuracies);
      EXPECT_EQ(parts.losses, whole.losses);
      ASSERT_EQ(parts.state.size(), whole.state.size());
      for (std::size_t i = 0; i < whole.state.size(); ++i) EXPECT_TRUE(torch::equal(parts.state[i], whole.state[i]));
    }
  }

  Dataset dataset_;
  TrainSettings settings_;
};

TEST_F(Resume, SgdWithMomentumIsBitForBitTheSame) { ExpectSameInParts(); }

TEST_F(Resume, AdamWWithAverageIsBitForBitTheSame) {
  settings_.optimizer = Optimizer::kAdamW;
  settings_.learning_rate = 2e-3;
  settings_.ema_decay = 0.9;
  settings_.clip_norm = 1;
  settings_.patience = 2;
  ExpectSameInParts();
}

TEST_F(Resume, DamagedStateStartsAnew) {
  const Outcome whole = Run(0);
  const Checkpoint checkpoint({folder_ / "checkpoints", 100 << 20}, "key", [](const std::string&) {});
  checkpoint.Write("state");
  Write("checkpoints/" + CacheFileName("key"), ReadAll(folder_ / "checkpoints" / CacheFileName("key")) + "x");
  EXPECT_EQ(Run(0).result.train_loss, whole.result.train_loss);
  // A valid file, but its content is not a training's state.
  checkpoint.Write("state");
  const nlohmann::json body = SmallRequest()["evaluate"];
  Network network(network::PlanNetwork(body["architecture"], body["network"]));
  TrainingHooks hooks;
  hooks.checkpoint = &checkpoint;
  EXPECT_THROW(Train(network, dataset_, settings_, 3, hooks), std::exception);
  // The bad state is not read again.
  EXPECT_EQ(Run(0).result.train_loss, whole.result.train_loss);
}

}  // namespace
}  // namespace layernas::trainer
