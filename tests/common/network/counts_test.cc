#include "common/network/counts.h"

#include <gtest/gtest.h>

#include <string>

#include "common/network/architecture.h"
#include "common/network/errors.h"

namespace layernas::network {
namespace {

using nlohmann::json;

Counts Count(const json& layers, const json& parameters, int head_channels = 0) {
  const json network = {{"input", {3, 32, 32}},
                        {"classes", 10},
                        {"stem_channels", 8},
                        {"head_channels", head_channels},
                        {"parameters", parameters}};
  return CountNetwork(PlanNetwork({{"layers", layers}}, network));
}

// Calculated by hand, so that graph and torch module cannot both be wrong. torch_test compares them
// with each other, and tests/client/count_test with the published figures.
TEST(CountNetwork, ByHand) {
  const Counts counts = Count({{{"name", "block1"}, {"option", "conv_k3"}, {"channels", 16}, {"stride", 2}},
                               {{"name", "block2"}, {"option", "mbconv_k3_e2"}}},
                              {{"stem_stride", 2}}, 32);
  // Weights of a convolution: kernel² x input channels per group x output channels. Its
  // multiply-adds: that times the output size.
  const std::int64_t stem = 9 * 3 * 8;   // at 16x16
  const std::int64_t conv = 9 * 8 * 16;  // at 8x8, and all that follow
  const std::int64_t expand = 16 * 32;
  const std::int64_t depthwise = 9 * 1 * 32;
  const std::int64_t project = 32 * 16;
  const std::int64_t head = 16 * 32;
  const std::int64_t classifier = 32 * 10;
  const std::int64_t batch_norms = 2 * (8 + 16 + 32 + 32 + 16 + 32);
  EXPECT_EQ(counts.params, stem + conv + expand + depthwise + project + head + classifier + batch_norms + 10);
  EXPECT_EQ(counts.multiply_adds, stem * 256 + (conv + expand + depthwise + project + head) * 64 + classifier);
}

TEST(CountNetwork, SqueezeAndExcitationHasBiasesAndWorksOnOnePlace) {
  const json layer = {{"name", "block"}, {"option", "mbconv_k3_e4"}};
  json with = layer;
  with["option"] = "mbconv_k3_e4_se";
  const Counts plain = Count(json::array({layer}), json::object());
  const Counts squeezed = Count(json::array({with}), json::object());
  EXPECT_EQ(squeezed.params - plain.params, 32 * 8 + 8 + 8 * 32 + 32);
  EXPECT_EQ(squeezed.multiply_adds - plain.multiply_adds, 2 * 32 * 8);
}

TEST(CountNetwork, PoolingComesBeforeTheProjection) {
  const Counts counts =
      Count(json::array({{{"name", "skip"}, {"option", "skip"}, {"channels", 6}, {"stride", 3}}}), json::object());
  EXPECT_EQ(counts.params, 9 * 3 * 8 + 2 * 8 + 8 * 6 + 2 * 6 + 6 * 10 + 10);
  EXPECT_EQ(counts.multiply_adds, 9 * 3 * 8 * 1024 + 8 * 6 * 11 * 11 + 6 * 10);
}

TEST(CountNetwork, RefusesWhatNoNumberHolds) {
  const auto network = [](int layers) {
    json list = json::array();
    for (int i = 0; i < layers; ++i) list.push_back({{"name", "l" + std::to_string(i)}, {"option", "residual_k31"}});
    return PlanNetwork(
        {{"layers", list}},
        {{"input", {3, 4096, 4096}}, {"classes", 10}, {"stem_channels", 256}, {"parameters", json::object()}});
  };
  // Two convolutions per layer and one of the stem, at 4096x4096, and the classifier.
  const std::int64_t layer = std::int64_t{2} * 31 * 31 * 256 * 256 << 24;
  const std::int64_t rest = (std::int64_t{9 * 3 * 256} << 24) + 2560;
  EXPECT_EQ(CountNetwork(network(4)).multiply_adds, 4 * layer + rest);
  try {
    CountNetwork(network(5));
    FAIL() << "counted";
  } catch (const InfeasibleError& error) {
    EXPECT_EQ(
        std::string(error.what()),
        "the network has more than 2^53 multiply-adds: choose a smaller network.input, or fewer or smaller layers");
  }
}

TEST(CountNetwork, HeadFeaturesAreALinearLayer) {
  const json layer = {{"name", "block"}, {"option", "skip"}};
  const Counts plain = Count(json::array({layer}), json::object());
  const Counts deep = Count(json::array({layer}), {{"head_features", 20}});
  EXPECT_EQ(deep.params - plain.params, 8 * 20 + 20 + 20 * 10 - 8 * 10);
  EXPECT_EQ(deep.multiply_adds - plain.multiply_adds, 8 * 20 + 20 * 10 - 8 * 10);
}

}  // namespace
}  // namespace layernas::network
