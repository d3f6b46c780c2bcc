// Compares results and gradients of the trainer's own operations with torch's in 64 bits.
#include "worker/trainer/training_ops.h"

#include <gtest/gtest.h>
#include <torch/nn.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "common/network/architecture.h"
#include "tests/worker/trainer/test_requests.h"
#include "worker/trainer/flat_parameters.h"
#include "worker/trainer/mixed_precision.h"
#include "worker/trainer/network.h"
#include "worker/trainer/winograd.h"

namespace layernas::trainer {
namespace {

using network::Activation;

torch::Tensor Random(std::vector<std::int64_t> sizes) {
  return torch::randn(sizes).contiguous(torch::MemoryFormat::ChannelsLast);
}

// Returns a leaf tensor with the same values that requires gradients.
torch::Tensor Leaf(const torch::Tensor& tensor, torch::ScalarType type = torch::kFloat) {
  return tensor.detach().clone().to(type).requires_grad_();
}

void ExpectClose(const torch::Tensor& a, const torch::Tensor& b, const std::string& what) {
  ASSERT_TRUE(a.defined() && b.defined()) << what;
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  const double error = (a.to(torch::kDouble) - b).abs().max().item<double>();
  EXPECT_LE(error, 1e-4 * std::max(1.0, b.abs().max().item<double>())) << what;
}

TEST(DepthwiseConv, IsTorchs) {
  torch::manual_seed(1);
  for (const int kernel : {1, 3, 5, 7, 9}) {
    for (const int stride : {1, 2, 3}) {
      for (const int channels : {1, 7, 16, 24, 40}) {
        const std::string what = "kernel " + std::to_string(kernel) + ", stride " + std::to_string(stride) + ", " +
                                 std::to_string(channels) + " channels";
        // A size that the stride does not divide, and that is smaller than the largest kernel.
        const torch::Tensor input = Random({3, channels, 8, 11});
        const torch::Tensor filters = Random({channels, 1, kernel, kernel});
        const torch::Tensor a = Leaf(input), b = Leaf(input, torch::kDouble), fa = Leaf(filters),
                            fb = Leaf(filters, torch::kDouble);
        const torch::Tensor ours = DepthwiseConv(a, fa, stride);
        const torch::Tensor theirs = torch::conv2d(b, fb, {}, stride, kernel / 2, 1, channels);
        ExpectClose(ours, theirs, what);
        const torch::Tensor gradient = torch::randn_like(ours);
        ours.backward(gradient);
        theirs.backward(gradient.to(torch::kDouble));
        ExpectClose(a.grad(), b.grad(), what + ", gradient of the input");
        ExpectClose(fa.grad(), fb.grad(), what + ", gradient of the filters");
      }
    }
  }
}

TEST(WinogradConv, IsTorchs) {
  torch::manual_seed(1);
  for (const int channels : {16, 24, 40}) {
    for (const int out_channels : {16, 56}) {
      for (const int height : {1, 4, 7}) {
        const std::string what = std::to_string(channels) + " to " + std::to_string(out_channels) +
                                 " channels, height " + std::to_string(height);
        ASSERT_TRUE(SuitsWinograd(channels, out_channels));
        // More tiles than are multiplied together, and not a multiple of that number.
        const torch::Tensor input = Random({7, channels, height, 9});
        const torch::Tensor filters = Random({out_channels, channels, 3, 3});
        const torch::Tensor a = Leaf(input), b = Leaf(input, torch::kDouble), fa = Leaf(filters),
                            fb = Leaf(filters, torch::kDouble);
        const torch::Tensor ours = WinogradConv(a, fa), theirs = torch::conv2d(b, fb, {}, 1, 1);
        ExpectClose(ours, theirs, what);
        const torch::Tensor gradient = torch::randn_like(ours);
        ours.backward(gradient);
        theirs.backward(gradient.to(torch::kDouble));
        ExpectClose(a.grad(), b.grad(), what + ", gradient of the input");
        ExpectClose(fa.grad(), fb.grad(), what + ", gradient of the filters");
      }
    }
  }
}

torch::Tensor Activate(const torch::Tensor& value, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return torch::relu(value);
    case Activation::kRelu6:
      return torch::hardtanh(value, 0, 6);
    case Activation::kHardSwish:
      return torch::hardswish(value);
    default:
      return value;
  }
}

TEST(NormActivate, IsTorchs) {
  torch::manual_seed(1);
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kRelu6, Activation::kHardSwish}) {
    for (const int channels : {1, 7, 8, 20, 64}) {
      const std::string what =
          "activation " + std::to_string(static_cast<int>(activation)) + ", " + std::to_string(channels) + " channels";
      torch::nn::BatchNorm2d ours(channels), theirs(channels);
      const torch::Tensor scale = torch::randn({channels}) * 3, shift = torch::randn({channels});
      for (auto& norm : {ours, theirs}) {
        const torch::NoGradGuard no_grad;
        norm->weight.copy_(scale);
        norm->bias.copy_(shift);
      }
      theirs->to(torch::kDouble);
      // The mean is far from zero, and the rows do not fit into one tile.
      const torch::Tensor input = Random({9, channels, 13, 7}) * 2 + 30;
      const torch::Tensor a = Leaf(input), b = Leaf(input, torch::kDouble);
      const torch::Tensor result = NormActivate(a, *ours, activation), expected = Activate(theirs(b), activation);
      ExpectClose(result, expected, what);
      ExpectClose(ours->running_mean, theirs->running_mean, what + ", mean");
      ExpectClose(ours->running_var, theirs->running_var, what + ", variance");
      const torch::Tensor gradient = torch::randn_like(result);
      result.backward(gradient);
      expected.backward(gradient.to(torch::kDouble));
      ExpectClose(a.grad(), b.grad(), what + ", gradient of the input");
      ExpectClose(ours->weight.grad(), theirs->weight.grad(), what + ", gradient of the weight");
      ExpectClose(ours->bias.grad(), theirs->bias.grad(), what + ", gradient of the bias");
    }
  }
}

TEST(NormActivate, WhatIsNotANumberStaysSo) {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kRelu6, Activation::kHardSwish}) {
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      torch::nn::BatchNorm2d norm(8);
      torch::Tensor input = Random({2, 8, 3, 3});
      input[1][5][2][2] = bad;
      const torch::Tensor result = NormActivate(input, *norm, activation);
      EXPECT_TRUE(result.select(1, 5).isnan().any().item<bool>()) << static_cast<int>(activation);
      EXPECT_FALSE(result.select(1, 4).isnan().any().item<bool>()) << static_cast<int>(activation);
    }
  }
}

// With 64 bits, torch's own operations run.
TEST(Network, TrainsWithItsOwnOperationsAsWithTorchs) {
  for (const char* option : {"conv_k3", "mbconv_k5_e3_relu6", "mbconv_k3_e3_se_hswish", "residual_k3"}) {
    nlohmann::json body = SmallRequest()["evaluate"];
    body["architecture"]["layers"][1]["option"] = option;
    const network::Graph graph = network::PlanNetwork(body["architecture"], body["network"]);
    Network ours(graph), theirs(graph);
    {
      const torch::NoGradGuard no_grad;
      const auto from = ours->parameters();
      auto to = theirs->parameters();
      for (std::size_t i = 0; i < from.size(); ++i) to[i].copy_(from[i]);
    }
    theirs->to(torch::kDouble);
    const FlatParameters flat(ours);
    const torch::Tensor images = Random({8, 3, 32, 32}), labels = torch::randint(10, {8});
    for (auto& grad : flat.all()) grad.grad().zero_();
    torch::cross_entropy_loss(ours(images), labels).backward();
    torch::cross_entropy_loss(theirs(images.to(torch::kDouble)), labels).backward();
    const auto a = ours->parameters(), b = theirs->parameters();
    double length = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      ExpectClose(a[i].grad(), b[i].grad(), std::string(option) + ", " + std::to_string(i));
      length += b[i].grad().square().sum().item<double>();
    }
    // The flat gradients contain all of them.
    double flat_length = 0;
    for (const torch::Tensor& part : flat.all()) flat_length += part.grad().square().sum().item<double>();
    EXPECT_NEAR(flat_length, length, 1e-3 * length) << option;
  }
}

// Contains every kind of operation, with each activation after a normalization and after a
// convolution.
network::Graph EveryOperation(Activation activation) {
  network::GraphBuilder builder({3, 8, 8});
  builder.BeginLayer("all");
  network::Value value = builder.ConvNorm(network::GraphBuilder::kInput, 16, 3, 1, 1, activation);
  value = builder.Activate(builder.Conv(value, 16, 3, 1, /*groups=*/16), activation);
  value = builder.Add(value, builder.AveragePool(builder.ConvNorm(value, 16, 1, 1, 1, activation), 3, 1));
  value =
      builder.Scale(value, builder.Activate(builder.Conv(builder.GlobalPool(value), 16, 1, 1, 1, true), activation));
  value = builder.Add(value, builder.Zero(value, 16));
  builder.Linear(builder.GlobalPool(builder.AveragePool(value, 2, 2)), 10);
  return builder.Take();
}

TEST(Network, EveryActivationTrainsAndRunsInEveryPrecision) {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kRelu6, Activation::kHardSwish, Activation::kHardSigmoid}) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      const std::string what = "activation " + std::to_string(static_cast<int>(activation)) + ", precision " +
                               std::to_string(static_cast<int>(precision));
      torch::manual_seed(1);
      Network ours(EveryOperation(activation)), theirs(EveryOperation(activation));
      {
        const torch::NoGradGuard no_grad;
        const auto from = ours->parameters();
        auto to = theirs->parameters();
        for (std::size_t i = 0; i < from.size(); ++i) to[i].copy_(from[i]);
      }
      theirs->to(torch::kDouble);
      const torch::Tensor images = Random({16, 3, 8, 8}) * 4, labels = torch::randint(10, {16});
      torch::Tensor logits;
      {
        const MixedPrecision mixed(precision, torch::kCPU);
        logits = ours(images).to(torch::kFloat);
      }
      torch::cross_entropy_loss(logits, labels).backward();
      torch::cross_entropy_loss(theirs(images.to(torch::kDouble)), labels).backward();
      // A 16-bit number has eight significant bits.
      const double tolerance = precision == Precision::kFloat32 ? 1e-4 : 0.1;
      const auto a = ours->parameters(), b = theirs->parameters();
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_TRUE(a[i].grad().defined()) << what;
        const torch::Tensor error = a[i].grad().to(torch::kDouble) - b[i].grad();
        EXPECT_LE(error.norm().item<double>(), tolerance * std::max(b[i].grad().norm().item<double>(), 0.02))
            << what << ", parameter " << i;
      }
      // As during a measurement.
      const torch::InferenceMode inference;
      ours->eval();
      theirs->eval();
      const torch::Tensor expected = theirs(images.to(torch::kDouble));
      ours->to(TypeOf(precision));
      const torch::Tensor error = ours(images.to(TypeOf(precision))).to(torch::kDouble) - expected;
      EXPECT_LE(error.norm().item<double>(), tolerance * expected.norm().item<double>()) << what;
    }
  }
}

TEST(FlatParameters, KeepValuesAndLayout) {
  const nlohmann::json body = SmallRequest()["evaluate"];
  Network network(network::PlanNetwork(body["architecture"], body["network"]));
  std::vector<torch::Tensor> before;
  for (const torch::Tensor& parameter : network->parameters()) before.push_back(parameter.detach().clone());
  const FlatParameters flat(network);
  const auto after = network->parameters();
  std::int64_t count = 0;
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(torch::equal(before[i], after[i]));
    EXPECT_EQ(before[i].strides(), after[i].strides());
    count += after[i].numel();
  }
  EXPECT_EQ(flat.weights().numel() + flat.others().numel(), count);
  const torch::NoGradGuard no_grad;
  for (torch::Tensor part : flat.all()) part.fill_(2);
  for (const torch::Tensor& parameter : network->parameters()) EXPECT_EQ(parameter.min().item<float>(), 2);
}

}  // namespace
}  // namespace layernas::trainer
