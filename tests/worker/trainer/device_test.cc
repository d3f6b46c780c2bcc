// Tests the choice of the device, and code that is written for GPUs but also runs on the processor.
#include "worker/trainer/device.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "common/network/architecture.h"
#include "tests/worker/trainer/test_requests.h"
#include "worker/trainer/batches.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/gpu.h"
#include "worker/trainer/optimizer.h"

namespace layernas::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(ChooseDevice, KnowsItsNames) {
  EXPECT_TRUE(ChooseDevice("cpu").is_cpu());
  for (const char* wrong : {"", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda:1000", "CPU"}) {
    EXPECT_THAT([&] { ChooseDevice(wrong); },
                ThrowsMessage<std::invalid_argument>(HasSubstr("auto, cpu, cuda or cuda:N")))
        << wrong;
  }
  if (IsBuiltForGpu()) GTEST_SKIP() << "built for a GPU";
  EXPECT_TRUE(ChooseDevice("auto").is_cpu());
  EXPECT_THAT([] { ChooseDevice("cuda:1"); }, ThrowsMessage<MachineError>(HasSubstr("cannot use device cuda:1")));
}

TEST(IsLostGpu, TellsWantOfMemoryFromFailure) {
  EXPECT_TRUE(IsLostGpu("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be …"));
  EXPECT_TRUE(IsLostGpu("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"));
  EXPECT_FALSE(IsLostGpu("CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 79.15 GiB total capacity; …"));
  for (const char* want :
       {"CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"}) {
    EXPECT_FALSE(IsLostGpu(want)) << want;
    EXPECT_TRUE(IsOutOfMemory(want)) << want;
  }
  EXPECT_FALSE(IsLostGpu("The size of tensor a (3) must match the size of tensor b (4)"));
}

TEST(DeviceBatches, AreThoseOfBatchWriter) {
  DataSettings settings;
  settings.dataset = "shapes10";
  settings.train_examples = 40;
  settings.validation_examples = 20;
  settings.input = {3, 32, 32};
  const Dataset dataset = LoadDataset(settings, "");
  const auto device = MakeDeviceBatchSource(dataset, 32, torch::kCPU);
  const auto host = MakeBatchSource(dataset, 32, torch::kCPU);
  std::vector<std::uint32_t> indices(40);
  std::iota(indices.begin(), indices.end(), 0);
  RandomStream first({7}), second({7});
  for (const ImageSet* set : {&dataset.train, &dataset.holdout}) {
    for (const std::size_t count : {std::size_t{20}, std::size_t{7}}) {
      for (const bool augment : {false, true}) {
        device->Choose(*set, indices.data() + 3 * count / 4, std::min(count, set->size() - 3 * count / 4),
                       augment ? &first : nullptr);
        host->Choose(*set, indices.data() + 3 * count / 4, std::min(count, set->size() - 3 * count / 4),
                     augment ? &second : nullptr);
        const Batch ours = device->Take(), expected = host->Take();
        EXPECT_TRUE(torch::equal(ours.images, expected.images)) << count << augment;
        EXPECT_TRUE(torch::equal(ours.labels, expected.labels)) << count << augment;
        EXPECT_EQ(ours.images.strides(), expected.images.strides());
      }
    }
  }
  EXPECT_EQ(first.state(), second.state());
}

// Compares some steps with the same gradients.
void ExpectAsTorch(const TrainSettings& settings, const std::function<std::unique_ptr<torch::optim::Optimizer>(
                                                      std::vector<torch::optim::OptimizerParamGroup>)>& make_torch) {
  torch::manual_seed(1);
  const nlohmann::json body = SmallRequest()["evaluate"];
  Network network(network::PlanNetwork(body["architecture"], body["network"]));
  const FlatParameters parameters(network);
  FlatOptimizer optimizer(parameters, settings);
  const std::vector<torch::Tensor> copies = {parameters.weights().clone().set_requires_grad(true),
                                             parameters.others().clone().set_requires_grad(true)};
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>{copies[0]});
  groups.emplace_back(std::vector<torch::Tensor>{copies[1]});
  const auto theirs = make_torch(groups);
  for (int step = 0; step < 6; ++step) {
    const double rate = settings.learning_rate / (1 + step);
    optimizer.ZeroGradients();
    for (std::size_t i = 0; i < 2; ++i) {
      const torch::Tensor gradient = torch::randn_like(copies[i]).detach();
      parameters.all()[i].grad().add_(gradient);
      copies[i].mutable_grad() = gradient.clone();
    }
    if (settings.clip_norm > 0) torch::nn::utils::clip_grad_norm_(copies, settings.clip_norm);
    for (auto& group : theirs->param_groups()) group.options().set_lr(rate);
    optimizer.Prepare(rate);
    optimizer.Step();
    theirs->step();
    for (std::size_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(torch::allclose(parameters.all()[i], copies[i], 1e-5, 1e-7)) << "step " << step << ", tensor " << i;
    }
  }
}

TEST(FlatOptimizer, IsTorchsSgd) {
  for (const double momentum : {0.0, 0.9}) {
    for (const double clip_norm : {0.0, 2.0}) {
      TrainSettings settings;
      settings.momentum = momentum;
      settings.clip_norm = clip_norm;
      settings.weight_decay = 0.01;
      ExpectAsTorch(settings, [&](auto groups) {
        using Options = torch::optim::SGDOptions;
        const Options options = Options(1).momentum(momentum).nesterov(momentum > 0);
        groups[0].set_options(std::make_unique<Options>(Options(options).weight_decay(0.01)));
        groups[1].set_options(std::make_unique<Options>(options));
        return std::make_unique<torch::optim::SGD>(groups, options);
      });
    }
  }
}

TEST(FlatOptimizer, IsTorchsAdamW) {
  TrainSettings settings;
  settings.optimizer = Optimizer::kAdamW;
  settings.learning_rate = 0.01;
  settings.weight_decay = 0.1;
  ExpectAsTorch(settings, [](auto groups) {
    using Options = torch::optim::AdamWOptions;
    groups[0].set_options(std::make_unique<Options>(Options(1).weight_decay(0.1)));
    groups[1].set_options(std::make_unique<Options>(Options(1).weight_decay(0)));
    return std::make_unique<torch::optim::AdamW>(groups, Options(1));
  });
}

}  // namespace
}  // namespace layernas::trainer
