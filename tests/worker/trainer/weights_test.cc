#include "worker/trainer/weights.h"

#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/network/architecture.h"
#include "tests/worker/trainer/temp_folder.h"
#include "tests/worker/trainer/test_requests.h"
#include "tests/worker/trainer/test_spaces.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

Dataset SomeData() {
  Dataset dataset;
  dataset.mean = {100, 120, 140};
  dataset.deviation = {50, 60, 70};
  return dataset;
}

class Weights : public TempFolder {};

// Contains every kind of operation of the spaces.
TEST_F(Weights, RunAsTheNetworkDoes) {
  const torch::NoGradGuard no_grad;
  for (const char* name :
       {"shapes10", "nats_bench_size", "nats_bench_topology", "mobilenet_v2", "mobilenet_v3_small"}) {
    const nlohmann::json space = ReadSpace(name);
    RandomStream random({3});
    Network network(network::PlanNetwork(DrawArchitecture(space, random), space["network"]));
    const network::Shape& input = network->graph().input;
    const torch::Tensor images = torch::randn({2, input.channels, input.height, input.width});
    // Changes the running statistics from their initial values.
    network(images);
    const KeptWeights kept = WeightsFile(network, SomeData(), folder_ / "deep" / "er" / "net.pt").Keep();
    EXPECT_EQ(kept.path, (folder_ / "deep" / "er" / "net.pt").string());
    EXPECT_EQ(kept.bytes, fs::file_size(kept.path));
    EXPECT_EQ(kept.sha256.size(), 64U);
    torch::jit::Module module = torch::jit::load(kept.path);
    network->eval();
    EXPECT_TRUE(torch::allclose(module.forward({images}).toTensor(), network(images), 1e-4, 1e-4)) << name;
    const torch::Tensor pixels = torch::full({1, 3, 1, 1}, 150.0F);
    EXPECT_TRUE(torch::allclose(module.get_method("normalize")({pixels}).toTensor().flatten(),
                                torch::tensor({50.0F / 50, 30.0F / 60, 10.0F / 70})));
  }
}

// A request for a cell of 8 channels with these operations on its edges 0->1, 0->2, 1->2, 0->3, 1->3 and 2->3.
nlohmann::json CellRequest(const std::vector<const char*>& edges) {
  nlohmann::json request = SmallRequest();
  nlohmann::json& body = request["evaluate"];
  body["network"] = {
      {"input", {3, 32, 32}}, {"classes", 10}, {"stem_channels", 8}, {"parameters", {{"cells", 1}, {"stages", 1}}}};
  body["architecture"]["layers"] = nlohmann::json::array();
  for (const char* edge : edges) {
    const std::string name = "edge" + std::to_string(body["architecture"]["layers"].size());
    body["architecture"]["layers"].push_back({{"name", name}, {"option", edge}});
  }
  body["train"]["epochs"] = 1;
  return request;
}

// The result of the cell is its input, so three convolutions are dead.
const std::vector<const char*> kDeadConvolutions = {"nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3",
                                                    "skip_connect", "none",         "none"};

// The kept network is the one that was trained and measured.
TEST_F(Weights, DeadOperationsAreCountedButNeitherTrainedNorKept) {
  nlohmann::json request = CellRequest(kDeadConvolutions);
  request["evaluate"]["keep_weights"] = "net";
  EvaluatorOptions options;
  options.weights_dir = folder_;
  const EvaluationResult result = Evaluator(std::move(options)).Evaluate(ParseRequest(request), [](const Progress&) {});
  std::int64_t params = 0;
  for (const torch::Tensor& parameter : torch::jit::load(result.weights.value().path).parameters()) {
    params += parameter.numel();
  }
  // Stem, normalization before the head, classifier; the cell has three convolutions of 3x3 with normalizations.
  const std::int64_t dead = 3 * (9 * 8 * 8 + 2 * 8);
  EXPECT_EQ(static_cast<std::int64_t>(result.metrics.at("params")), params + dead);
}

// While it exists, counts the convolutions of 3x3 by their numbers of channels.
class ConvolutionCounter {
 public:
  ConvolutionCounter() {
    counts_.clear();
    handle_ = at::addGlobalCallback(
        at::RecordFunctionCallback(&ConvolutionCounter::Look).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  }
  ~ConvolutionCounter() { at::removeCallback(handle_); }

  static int Of(std::int64_t in, std::int64_t out) { return counts_[{in, out}]; }

 private:
  static std::unique_ptr<at::ObserverContext> Look(const at::RecordFunction& call) {
    if (std::string(call.name()) == "aten::convolution" && call.inputs()[1].isTensor()) {
      const torch::Tensor weight = call.inputs()[1].toTensor();
      if (weight.size(2) == 3) ++counts_[{weight.size(1), weight.size(0)}];
    }
    return nullptr;
  }

  static inline std::map<std::pair<std::int64_t, std::int64_t>, int> counts_;
  at::CallbackHandle handle_;
};

// Otherwise cells with the same function would have different latencies.
TEST_F(Weights, DeadOperationsAreNotMeasured) {
  const auto measure = [](const std::vector<const char*>& edges) {
    nlohmann::json request = CellRequest(edges);
    request["evaluate"]["work"] = {"measure"};
    return Evaluator(EvaluatorOptions{}).Evaluate(ParseRequest(request), [](const Progress&) {});
  };
  const ConvolutionCounter counter;
  measure(kDeadConvolutions);
  EXPECT_GE(counter.Of(3, 8), 30);  // The stem, in each run.
  EXPECT_EQ(counter.Of(8, 8), 0);
  // The same cell with the edge 2->3, to which all three lead.
  std::vector<const char*> alive = kDeadConvolutions;
  alive[5] = "skip_connect";
  measure(alive);
  EXPECT_GE(counter.Of(8, 8), 3 * 30);
}

TEST_F(Weights, ThatTheyCanBeWrittenIsCheckedWithoutATrace) {
  CheckWritable(folder_ / "new" / "net.pt");
  EXPECT_TRUE(fs::is_empty(folder_ / "new"));
  Write("new/net.pt", "before");
  CheckWritable(folder_ / "new" / "net.pt");
  EXPECT_EQ(ReadAll(folder_ / "new" / "net.pt"), "before");
  EXPECT_THROW(CheckWritable(folder_ / "new" / "net.pt" / "net.pt"), MachineError);
  fs::create_directories(folder_ / "folder.pt");
  EXPECT_THROW(CheckWritable(folder_ / "folder.pt"), MachineError);
}

// A result carries its path.
TEST_F(Weights, APathThatNoResultCanCarryIsRefused) {
  for (const char* name : {"a\tb", "\xff"}) {
    EXPECT_THROW(CheckFolder(folder_ / name), MachineError) << name;
    EXPECT_THROW(CheckWritable(folder_ / name / "net.pt"), MachineError) << name;
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

// If the measurement fails, nobody learns of the network.
TEST_F(Weights, ThatAreNotKeptLeaveNothingBehind) {
  const nlohmann::json body = SmallRequest()["evaluate"];
  Network network(network::PlanNetwork(body["architecture"], body["network"]));
  { const WeightsFile weights(network, SomeData(), folder_ / "net.pt"); }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Weights, AFolderIsCheckedWithoutBeingMade) {
  CheckFolder(folder_);
  CheckFolder(folder_ / "new" / "er");
  EXPECT_TRUE(fs::is_empty(folder_));
  Write("file", "not a folder");
  for (const fs::path& folder : {folder_ / "file", folder_ / "file" / "new"}) {
    EXPECT_THROW(CheckFolder(folder), MachineError) << folder;
  }
}

TEST_F(Weights, AFolderThatCannotBeWrittenIsNamed) {
  const nlohmann::json body = SmallRequest()["evaluate"];
  Network network(network::PlanNetwork(body["architecture"], body["network"]));
  Write("file", "not a folder");
  try {
    WeightsFile(network, SomeData(), folder_ / "file" / "net.pt");
    FAIL();
  } catch (const MachineError& error) {
    EXPECT_NE(std::string(error.what()).find((folder_ / "file").string()), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace layernas::trainer
