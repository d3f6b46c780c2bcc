// Everything that needs torch, in one file because its headers take long to compile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn.h>

#include "common/base/random.h"
#include "tests/worker/trainer/test_requests.h"
#include "worker/trainer/counts.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/measurement.h"
#include "worker/trainer/training.h"

namespace layernas::trainer {
namespace {

using ::testing::HasSubstr;

// Any architecture that the grammar can say, on odd sizes too.
NetworkPlan RandomPlan(RandomStream& random) {
  const auto pick = [&](std::initializer_list<int> values) { return *(values.begin() + random.Below(values.size())); };
  nlohmann::json layers = nlohmann::json::array();
  const std::uint64_t count = 1 + random.Below(5);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string kernel = "_k" + std::to_string(pick({1, 3, 5, 7}));
    const std::string expansion = "_e" + std::to_string(pick({1, 2, 3, 6}));
    const std::string options[] = {"skip", "conv" + kernel, "mbconv" + kernel + expansion};
    // Few strides, because what shrinks an image to nothing is refused.
    layers.push_back(Layer(("b" + std::to_string(i)).c_str(), options[random.Below(3)].c_str(), pick({0, 4, 6, 10}),
                           i < 2 ? pick({1, 2, 3}) : 1));
  }
  const nlohmann::json network = {{"input", {pick({1, 3}), pick({24, 29}), pick({24, 31})}},
                                  {"classes", pick({2, 10})},
                                  {"stem_channels", pick({4, 8})},
                                  {"head_channels", pick({0, 16})},
                                  {"parameters", {{"stem_stride", pick({1, 2})}}}};
  return PlanNetwork({{"layers", layers}}, network);
}

TEST(Network, HasTheSizeAndTheWorkThatWereCounted) {
  const torch::NoGradGuard no_grad;
  RandomStream random({1});
  for (int i = 0; i < 300; ++i) {
    const NetworkPlan plan = RandomPlan(random);
    Network network(plan);
    std::int64_t params = 0;
    for (const torch::Tensor& parameter : network->parameters()) params += parameter.numel();
    ASSERT_EQ(params, CountNetwork(plan).params) << "architecture " << i;
    const torch::Tensor images = torch::randn({2, plan.input.channels, plan.input.height, plan.input.width});
    ASSERT_EQ(network(images).sizes(), (torch::IntArrayRef{2, plan.classes})) << "architecture " << i;

    // The work: each convolution of the module, at the size that it really works at.
    std::int64_t multiply_adds = network->named_children()["classifier"]->as<torch::nn::Linear>()->weight.numel();
    torch::Tensor map = images;
    for (std::size_t b = 0; b < plan.blocks.size(); ++b) {
      const auto block = network->named_children()["block" + std::to_string(b)];
      torch::Tensor inner = plan.blocks[b].pool == 1 ? map : torch::avg_pool2d(map, plan.blocks[b].pool, {}, 0, true);
      for (const auto& unit : block->children()) {
        inner = unit->as<ConvNorm>()->forward(inner);
        const auto conv = unit->named_children()["conv"];
        multiply_adds += conv->as<torch::nn::Conv2d>()->weight.numel() * inner.size(2) * inner.size(3);
      }
      map = block->as<Block>()->forward(map);
      ASSERT_EQ(map.sizes(), inner.sizes()) << "architecture " << i << ", " << plan.blocks[b].name;
    }
    ASSERT_EQ(multiply_adds, CountNetwork(plan).multiply_adds) << "architecture " << i;
  }
}

class Training : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { torch::set_num_threads(1); }

  static Dataset Shapes(int train, int validation) {
    DataSettings settings;
    settings.dataset = "shapes10";
    settings.train_examples = train;
    settings.validation_examples = validation;
    return LoadDataset(settings, "");
  }

  static NetworkPlan SmallPlan() {
    const nlohmann::json body = SmallRequest()["evaluate"];
    return PlanNetwork(body["architecture"], body["network"]);
  }
};

TEST_F(Training, SameSeedSameResult) {
  const Dataset dataset = Shapes(200, 50);
  TrainSettings settings;
  settings.epochs = 2;
  settings.batch = 32;
  const auto train = [&](std::uint32_t seed) {
    torch::manual_seed(seed);
    Network network(SmallPlan());
    return Train(network, dataset, settings, seed, [](int, double) {});
  };
  const TrainingResult first = train(3);
  const TrainingResult second = train(3);
  EXPECT_EQ(first.train_loss, second.train_loss);
  EXPECT_EQ(first.accuracy, second.accuracy);
  EXPECT_NE(train(4).train_loss, first.train_loss);
}

TEST_F(Training, LearnsWhatALinearModelCannot) {
  const Dataset dataset = Shapes(2000, 500);
  TrainSettings settings;
  settings.epochs = 8;
  settings.batch = 20;
  settings.augment = false;
  torch::manual_seed(1);
  Network network(SmallPlan());
  std::vector<double> accuracies;
  const TrainingResult result = Train(network, dataset, settings, 1, [&](int epoch, double accuracy) {
    EXPECT_EQ(epoch, static_cast<int>(accuracies.size()) + 1);
    accuracies.push_back(accuracy);
  });
  EXPECT_EQ(accuracies.size(), 8U);
  EXPECT_EQ(accuracies.back(), result.accuracy);
  EXPECT_EQ(Accuracy(network, dataset, dataset.holdout), result.accuracy);
  EXPECT_GT(result.accuracy, 0.4);
}

// Multinomial logistic regression on the pixels. The figure belongs to the documentation of shapes10.
TEST_F(Training, Shapes10IsHardForALinearModel) {
  const Dataset dataset = Shapes(4000, 1000);
  const auto tensor = [&](const ImageSet& set) {
    std::vector<std::uint32_t> indices(set.size());
    for (std::size_t i = 0; i < set.size(); ++i) indices[i] = static_cast<std::uint32_t>(i);
    torch::Tensor images = torch::empty({static_cast<std::int64_t>(set.size()), 3072});
    BatchWriter(dataset).Write(set, indices.data(), set.size(), nullptr, images.data_ptr<float>());
    return images;
  };
  const auto labels = [](const ImageSet& set) {
    const std::vector<std::int64_t> values(set.labels.begin(), set.labels.end());
    return torch::tensor(values);
  };
  const torch::Tensor images = tensor(dataset.train), truth = labels(dataset.train);
  const torch::Tensor holdout = tensor(dataset.holdout), holdout_truth = labels(dataset.holdout);
  torch::manual_seed(1);
  torch::nn::Linear model(3072, 10);
  double best = 0;
  for (int step = 0; step < 120; ++step) {
    model->zero_grad();
    torch::nn::functional::cross_entropy(model(images), truth).backward();
    const torch::NoGradGuard no_grad;
    for (torch::Tensor& parameter : model->parameters()) parameter.sub_(parameter.grad(), 0.02);
    best = std::max(best, model(holdout).argmax(1).eq(holdout_truth).to(torch::kFloat).mean().item<double>());
  }
  RecordProperty("linear_accuracy", std::to_string(best));
  std::cout << "accuracy of a linear model on shapes10: " << best << std::endl;
  EXPECT_LT(best, 0.4);
}

TEST_F(Training, LossThatIsNotFiniteIsInfeasible) {
  const Dataset dataset = Shapes(100, 10);
  TrainSettings settings;
  settings.learning_rate = 1000;
  settings.momentum = 1;
  settings.epochs = 50;
  settings.batch = 10;
  Network network(SmallPlan());
  try {
    Train(network, dataset, settings, 1, [](int, double) {});
    FAIL();
  } catch (const InfeasibleError& error) {
    EXPECT_THAT(error.what(), HasSubstr("train.learning_rate"));
  }
}

TEST_F(Training, DataSetSmallerThanABatchIsOneBatch) {
  const Dataset dataset = Shapes(20, 10);
  TrainSettings settings;
  settings.epochs = 1;
  Network network(SmallPlan());
  EXPECT_GT(Train(network, dataset, settings, 1, [](int, double) {}).train_loss, 0);
}

TEST_F(Training, DataMustFitTheNetwork) {
  Evaluator evaluator("", 1);
  const auto refusal = [&](const char* path, const nlohmann::json& value) -> std::string {
    nlohmann::json request = SmallRequest();
    request["evaluate"][nlohmann::json::json_pointer(path)] = value;
    try {
      evaluator.Evaluate(ParseRequest(request), [](const Progress&) {});
    } catch (const InfeasibleError& error) {
      return error.what();
    }
    return "evaluated";
  };
  EXPECT_THAT(refusal("/network/input", {1, 28, 28}), HasSubstr("network.input is [1, 28, 28]"));
  EXPECT_THAT(refusal("/network/classes", 5), HasSubstr("shapes10 has 10 classes"));
}

TEST(Quantile, NearestRank) {
  const std::vector<double> ten = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(Quantile(ten, 0.5), 5);
  EXPECT_EQ(Quantile(ten, 0.9), 9);
  EXPECT_EQ(Quantile(ten, 0.99), 10);
  EXPECT_EQ(Quantile({3}, 0.1), 3);
}

TEST(MeasureLatency, FiguresAreInOrder) {
  const nlohmann::json body = SmallRequest()["evaluate"];
  const NetworkPlan plan = PlanNetwork(body["architecture"], body["network"]);
  Network network(plan);
  MeasureSettings settings;
  settings.runs = 7;  // Fewer than there are turns.
  const Latency latency = MeasureLatency(network, plan.input, settings);
  EXPECT_EQ(latency.runs, 7);
  EXPECT_GT(latency.median_ms, 0);
  EXPECT_LE(latency.median_ms, latency.p90_ms);
  EXPECT_LE(latency.p90_ms, latency.p99_ms);
  EXPECT_GE(latency.spread, 0);
  EXPECT_GT(latency.ratio, 0);
}

}  // namespace
}  // namespace layernas::trainer
