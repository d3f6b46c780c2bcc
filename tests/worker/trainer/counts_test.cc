#include "worker/trainer/counts.h"

#include <gtest/gtest.h>

#include "tests/worker/trainer/test_requests.h"

namespace layernas::trainer {
namespace {

// Worked out by hand, so that plan and torch module cannot be wrong together. (Their agreement: torch_test.)
TEST(CountNetwork, ByHand) {
  const nlohmann::json body = SmallRequest()["evaluate"];
  const Counts counts = CountNetwork(PlanNetwork(body["architecture"], body["network"]));
  // Weights of a convolution: kernel² x input channels per group x output channels; its multiply-adds: times the output
  // size.
  const std::int64_t stem = 9 * 3 * 8;   // at 16x16
  const std::int64_t conv = 9 * 8 * 16;  // at 8x8, and all that follow
  const std::int64_t expand = 16 * 32;   //
  const std::int64_t depthwise = 9 * 1 * 32;
  const std::int64_t project = 32 * 16;
  const std::int64_t head = 16 * 32;
  const std::int64_t classifier = 32 * 10;
  const std::int64_t batch_norms = 2 * (8 + 16 + 32 + 32 + 16 + 32);
  EXPECT_EQ(counts.params, stem + conv + expand + depthwise + project + head + classifier + batch_norms + 10);
  EXPECT_EQ(counts.multiply_adds, stem * 256 + (conv + expand + depthwise + project + head) * 64 + classifier);
}

TEST(CountNetwork, PoolingComesBeforeTheProjection) {
  NetworkPlan plan;
  plan.input = {4, 9, 9};
  plan.blocks = {PlanBlock("skip", {"skip", {}, {}, 6, 2}, plan.input)};
  plan.features = 6;
  plan.classes = 2;
  const Counts counts = CountNetwork(plan);
  EXPECT_EQ(counts.params, 4 * 6 + 2 * 6 + 6 * 2 + 2);
  EXPECT_EQ(counts.multiply_adds, 4 * 6 * 5 * 5 + 6 * 2);
}

}  // namespace
}  // namespace layernas::trainer
