// Tests of the code that uses torch. They are in one file because its headers take long to compile.
#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "common/base/random.h"
#include "common/network/architecture.h"
#include "common/network/counts.h"
#include "common/network/dead_ops.h"
#include "tests/worker/trainer/test_requests.h"
#include "tests/worker/trainer/test_spaces.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/machine.h"
#include "worker/trainer/measurement.h"
#include "worker/trainer/threads.h"
#include "worker/trainer/training.h"

namespace layernas::trainer {
namespace {

using ::testing::HasSubstr;

// With LAYERNAS_LONG_TESTS=1, draws 1,000 architectures of each space, which takes some minutes.
TEST(Network, HasTheSizeThatWasCounted) {
  const torch::NoGradGuard no_grad;
  const bool all = std::getenv("LAYERNAS_LONG_TESTS") != nullptr;
  for (const char* name : {"shapes10", "nas_bench_macro", "nats_bench_size", "nats_bench_topology", "mobilenet_v2",
                           "mobilenet_v3_small", "mobilenet_v3_large"}) {
    const bool big = std::string(name).find("mobilenet") == 0;
    const nlohmann::json space = ReadSpace(name);
    RandomStream random({1});
    for (int i = 0; i < (all ? 1000 : big ? 8 : 40); ++i) {
      const network::Graph graph = network::PlanNetwork(DrawArchitecture(space, random), space["network"]);
      Network network(graph);
      std::int64_t params = 0;
      for (const torch::Tensor& parameter : network->parameters()) params += parameter.numel();
      ASSERT_EQ(params, network::CountNetwork(graph).params) << name << ", architecture " << i;
      if (i >= (big ? 1 : 10)) continue;
      const torch::Tensor images = torch::randn({2, graph.input.channels, graph.input.height, graph.input.width});
      ASSERT_EQ(network(images).sizes(), (torch::IntArrayRef{2, graph.ops.back().output.channels})) << name;
    }
  }
}

// Trains for one epoch with few images, in the size for which the space is made.
TEST(Network, OfEverySpaceTrains) {
  for (const char* name : {"shapes10", "nats_bench_size", "nats_bench_topology", "mobilenet_v2", "mobilenet_v3_small",
                           "mobilenet_v3_large"}) {
    const nlohmann::json space = ReadSpace(name);
    torch::manual_seed(1);
    RandomStream random({1});
    const network::Graph graph = network::PlanNetwork(DrawArchitecture(space, random), space["network"]);
    DataSettings data;
    data.dataset = "shapes10";
    data.train_examples = 4;
    data.validation_examples = 2;
    data.input = graph.input;
    TrainSettings settings;
    settings.epochs = 1;
    settings.batch = 2;
    settings.learning_rate = 0.01;
    Network network(graph);
    const torch::Tensor before = network->parameters().front().detach().clone();
    const TrainingResult result = Train(network, LoadDataset(data, ""), settings, 1);
    EXPECT_TRUE(std::isfinite(result.train_loss)) << name;
    EXPECT_FALSE(torch::equal(network->parameters().front(), before)) << name;
  }
}

// Cells with branches that lead nowhere, or that only carry zeros.
TEST(Network, WithoutDeadOperationsIsTheSameFunction) {
  const torch::NoGradGuard no_grad;
  const nlohmann::json space = ReadSpace("nats_bench_topology");
  RandomStream random({2});
  int smaller = 0;
  for (int i = 0; i < 40; ++i) {
    const network::Graph graph = network::PlanNetwork(DrawArchitecture(space, random), space["network"]);
    Network whole(graph), live(network::WithoutDeadOps(graph));
    smaller += live->graph().ops.size() < graph.ops.size() ? 1 : 0;
    // All parameters of the same size get the same values.
    for (Network& network : {std::ref(whole), std::ref(live)}) {
      for (const std::vector<torch::Tensor>& tensors : {network->parameters(), network->buffers()}) {
        for (torch::Tensor tensor : tensors) {
          torch::manual_seed(static_cast<std::uint64_t>(tensor.numel()));
          if (tensor.is_floating_point()) tensor.copy_(torch::rand(tensor.sizes()) + 0.1);
        }
      }
      network->eval();
    }
    torch::manual_seed(1);
    const torch::Tensor images = torch::randn({2, 3, 32, 32});
    EXPECT_TRUE(torch::allclose(whole(images), live(images), 1e-4, 1e-4)) << i;
  }
  EXPECT_GT(smaller, 5);
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

  static network::Graph SmallPlan() {
    const nlohmann::json body = SmallRequest()["evaluate"];
    return network::PlanNetwork(body["architecture"], body["network"]);
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
    return Train(network, dataset, settings, seed);
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
  const TrainingResult result = Train(network, dataset, settings, 1,
                                      {[&](const EpochResult& epoch) {
                                         EXPECT_EQ(epoch.epoch, static_cast<int>(accuracies.size()) + 1);
                                         EXPECT_GT(epoch.train_loss, 0);
                                         accuracies.push_back(epoch.accuracy);
                                       },
                                       nullptr, nullptr});
  EXPECT_EQ(accuracies.size(), 8U);
  EXPECT_EQ(accuracies.back(), result.accuracy);
  EXPECT_EQ(Accuracy(network, dataset, dataset.holdout), result.accuracy);
  EXPECT_GT(result.accuracy, 0.4);
}

// Multinomial logistic regression on the pixels. The documentation of shapes10 quotes the figure.
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
  torch::manual_seed(1);
  Network network(SmallPlan());
  try {
    Train(network, dataset, settings, 1);
    FAIL();
  } catch (const InfeasibleError& error) {
    EXPECT_THAT(error.what(), HasSubstr("train.learning_rate"));
  }
}

// In a training, normalizations use the statistics of the batch, so the loss is finite.
TEST_F(Training, StatisticsThatAreNotFiniteAreInfeasible) {
  const Dataset dataset = Shapes(40, 10);
  TrainSettings settings;
  settings.epochs = 1;
  settings.batch = 20;
  Network network(SmallPlan());
  network->buffers().front().fill_(std::nan(""));
  EXPECT_THROW(Train(network, dataset, settings, 1), InfeasibleError);
}

TEST_F(Training, OneImageOfOnePixelIsInfeasible) {
  network::GraphBuilder builder({3, 32, 32});
  builder.BeginLayer("squeeze");
  builder.Linear(builder.Norm(builder.Conv(builder.GlobalPool(network::GraphBuilder::kInput), 8, 1, 1)), 10);
  Network network(builder.Take());
  TrainSettings settings;
  settings.epochs = 1;
  try {
    Train(network, Shapes(1, 10), settings, 1);
    FAIL();
  } catch (const InfeasibleError& error) {
    EXPECT_THAT(error.what(), HasSubstr("layer 'squeeze' normalizes maps of 1x1"));
  }
}

TEST_F(Training, DataSetSmallerThanABatchIsOneBatch) {
  const Dataset dataset = Shapes(20, 10);
  TrainSettings settings;
  settings.epochs = 1;
  Network network(SmallPlan());
  EXPECT_GT(Train(network, dataset, settings, 1).train_loss, 0);
}

TEST_F(Training, DataMustFitTheNetwork) {
  Evaluator evaluator({});
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

TEST_F(Training, EverySettingTrains) {
  const Dataset dataset = Shapes(400, 100);
  const auto train = [&](const TrainSettings& settings) {
    torch::manual_seed(1);
    Network network(SmallPlan());
    return Train(network, dataset, settings, 1);
  };
  TrainSettings plain;
  plain.epochs = 4;
  plain.batch = 20;
  plain.augment = false;
  const double plain_loss = train(plain).train_loss;
  TrainSettings adamw = plain;
  adamw.optimizer = Optimizer::kAdamW;
  adamw.learning_rate = 0.01;
  TrainSettings clipped = plain;
  clipped.clip_norm = 0.5;
  TrainSettings smoothed = plain;
  smoothed.label_smoothing = 0.1;
  TrainSettings warm = plain;
  warm.warm_up = 0;
  TrainSettings mixed = plain;
  mixed.precision = Precision::kBfloat16;
  for (const TrainSettings& settings : {adamw, clipped, smoothed, warm, mixed}) {
    const TrainingResult result = train(settings);
    EXPECT_LT(result.train_loss, 2.3);  // The loss of random guesses.
    EXPECT_NE(result.train_loss, plain_loss);
  }
}

// Returns the weights and the statistics of the normalizations.
std::vector<torch::Tensor> State(Network& network) {
  std::vector<torch::Tensor> state = network->parameters();
  for (const torch::Tensor& buffer : network->buffers()) {
    if (buffer.is_floating_point()) state.push_back(buffer);
  }
  return state;
}

TEST_F(Training, AverageIsOfTheSameTraining) {
  const Dataset dataset = Shapes(200, 100);
  TrainSettings settings;
  settings.batch = 20;
  settings.epochs = 2;
  const auto train = [&](double ema_decay) {
    settings.ema_decay = ema_decay;
    torch::manual_seed(1);
    Network network(SmallPlan());
    std::vector<double> accuracies;
    const TrainingResult result =
        Train(network, dataset, settings, 1,
              {[&](const EpochResult& epoch) { accuracies.push_back(epoch.accuracy); }, nullptr, nullptr});
    EXPECT_EQ(Accuracy(network, dataset, dataset.holdout), result.accuracy) << "decay " << ema_decay;
    return std::tuple(result.train_loss, accuracies, State(network));
  };
  const auto [plain_loss, plain_accuracies, plain] = train(0);
  const auto [short_loss, short_accuracies, latest] = train(1e-12);
  EXPECT_EQ(short_loss, plain_loss);
  EXPECT_EQ(short_accuracies, plain_accuracies);
  const auto [long_loss, long_accuracies, average] = train(0.9);
  EXPECT_EQ(long_loss, plain_loss);
  ASSERT_EQ(average.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_TRUE(torch::allclose(latest[i], plain[i]));
    EXPECT_FALSE(torch::equal(average[i], plain[i]));
  }
}

TEST_F(Training, AverageAfterOneStepHasTheShareThatIsDue) {
  const Dataset dataset = Shapes(20, 10);
  TrainSettings settings;
  settings.batch = 20;
  settings.epochs = 1;
  const auto state = [&](bool train, double ema_decay) {
    settings.ema_decay = ema_decay;
    torch::manual_seed(1);
    Network network(SmallPlan());
    if (train) Train(network, dataset, settings, 1);
    return State(network);
  };
  const std::vector<torch::Tensor> first = state(false, 0), then = state(true, 0), average = state(true, 0.9);
  for (std::size_t i = 0; i < first.size(); ++i) {
    // The decay is not 0.9 yet: 2/11 of the first weights remain after the first step.
    EXPECT_TRUE(torch::allclose(average[i], first[i] * (2.0 / 11) + then[i] * (9.0 / 11), 1e-4, 1e-6));
  }
}

TEST_F(Training, PatienceEndsATrainingThatDoesNotGetBetter) {
  const Dataset dataset = Shapes(40, 20);
  TrainSettings settings;
  settings.epochs = 30;
  settings.batch = 20;
  settings.learning_rate = 0;
  settings.patience = 3;
  Network network(SmallPlan());
  std::vector<double> accuracies;
  const TrainingResult result =
      Train(network, dataset, settings, 1,
            {[&](const EpochResult& epoch) { accuracies.push_back(epoch.accuracy); }, nullptr, nullptr});
  EXPECT_LT(result.epochs, 30);
  EXPECT_EQ(result.epochs, static_cast<int>(accuracies.size()));
  EXPECT_EQ(result.accuracy, *std::max_element(accuracies.begin(), accuracies.end()));
}

// A training that gets worse after its best epoch.
TrainSettings WithPatience() {
  TrainSettings settings;
  settings.epochs = 40;
  settings.batch = 20;
  settings.patience = 3;
  return settings;
}

TEST_F(Training, PatienceKeepsTheWeightsOfTheBestEpoch) {
  const Dataset dataset = Shapes(100, 40);
  for (const double ema_decay : {0.0, 0.5}) {
    TrainSettings settings = WithPatience();
    settings.ema_decay = ema_decay;
    torch::manual_seed(1);
    Network network(SmallPlan());
    std::vector<double> accuracies;
    const TrainingResult result =
        Train(network, dataset, settings, 1,
              {[&](const EpochResult& epoch) { accuracies.push_back(epoch.accuracy); }, nullptr, nullptr});
    const double best = *std::max_element(accuracies.begin(), accuracies.end());
    ASSERT_LT(accuracies.back(), best);
    EXPECT_EQ(result.accuracy, best);
    EXPECT_EQ(Accuracy(network, dataset, dataset.holdout), best) << "decay " << ema_decay;
  }
}

TEST_F(Training, TheBestEpochIsChosenOnValidationImagesAndTestedOnce) {
  Dataset dataset = Shapes(100, 40);
  Dataset other = Shapes(100, 70);
  dataset.validation = dataset.holdout;
  dataset.holdout = other.holdout;
  torch::manual_seed(1);
  Network network(SmallPlan());
  std::vector<double> accuracies;
  const TrainingResult result =
      Train(network, dataset, WithPatience(), 1,
            {[&](const EpochResult& epoch) { accuracies.push_back(epoch.accuracy); }, nullptr, nullptr});
  // Both the curve and the choice use the validation images.
  EXPECT_EQ(Accuracy(network, dataset, dataset.validation), *std::max_element(accuracies.begin(), accuracies.end()));
  EXPECT_EQ(result.accuracy, Accuracy(network, dataset, dataset.holdout));
  EXPECT_NE(result.accuracy, Accuracy(network, dataset, dataset.validation));
}

TEST_F(Training, MixedPrecisionEndsWithTheForwardPass) {
  TrainSettings settings;
  settings.epochs = 1;
  settings.batch = 20;
  settings.precision = Precision::kBfloat16;
  const Dataset dataset = Shapes(40, 10);
  torch::manual_seed(1);
  Network network(SmallPlan());
  Train(network, dataset, settings, 1);
  for (const torch::Tensor& tensor : State(network)) EXPECT_EQ(tensor.scalar_type(), torch::kFloat);
  EXPECT_EQ(network(torch::randn({2, 3, 32, 32})).scalar_type(), torch::kFloat);
}

TEST(Measure, ANetworkOf16Bits) {
  const nlohmann::json body = SmallRequest()["evaluate"];
  const network::Graph graph = network::PlanNetwork(body["architecture"], body["network"]);
  Network network(graph);
  MeasureSettings settings;
  settings.runs = 5;
  settings.precision = Precision::kBfloat16;
  EXPECT_GT(Measure(network, graph.input, settings).latency.ratio, 0);
  EXPECT_EQ(network->parameters().front().scalar_type(), torch::kBFloat16);
}

// The number of OpenBLAS's threads while torch's operations run, as the callback below saw it.
int fewest_blas_threads = 0;
int max_blas_threads = 0;

// Otherwise the speed of linear layers would depend on the threads that the trainer was started
// with.
TEST(Measure, BlasHasTheThreadsOfTheMeasurement) {
  SetThreads(2);
  if (BlasThreads() != 2) GTEST_SKIP() << "torch calls another BLAS here";
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
        fewest_blas_threads = std::min(fewest_blas_threads, BlasThreads());
        max_blas_threads = std::max(max_blas_threads, BlasThreads());
        return nullptr;
      }));
  const nlohmann::json body = SmallRequest()["evaluate"];
  const network::Graph graph = network::PlanNetwork(body["architecture"], body["network"]);
  Network network(graph);
  MeasureSettings settings;
  settings.runs = 5;
  for (const int threads : {1, 3}) {
    settings.threads = threads;
    fewest_blas_threads = 1000;
    max_blas_threads = 0;
    Measure(network, graph.input, settings);
    EXPECT_EQ(fewest_blas_threads, threads);
    EXPECT_EQ(max_blas_threads, threads);
    EXPECT_EQ(BlasThreads(), 2);
    EXPECT_EQ(torch::get_num_threads(), 2);
  }
  at::removeCallback(handle);
  SetThreads(1);
}

TEST(Measure, FiguresAreInOrder) {
  const nlohmann::json body = SmallRequest()["evaluate"];
  const network::Graph graph = network::PlanNetwork(body["architecture"], body["network"]);
  Network network(graph);
  MeasureSettings settings;
  settings.runs = 7;  // Fewer than the number of turns.
  const Measured measured = Measure(network, graph.input, settings);
  const Latency& latency = measured.latency;
  EXPECT_GE(latency.runs, 7);
  EXPECT_GT(latency.median_ms, 0);
  EXPECT_LE(latency.median_ms, latency.p90_ms);
  EXPECT_LE(latency.p90_ms, latency.p99_ms);
  EXPECT_GT(latency.ratio, 0);
  EXPECT_EQ(measured.fingerprint, Fingerprint(DescribeMachine(settings.threads)));
}

}  // namespace
}  // namespace layernas::trainer
