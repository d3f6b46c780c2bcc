#include "common/network/dead_ops.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/network/architecture.h"
#include "common/network/counts.h"

namespace layernas::network {
namespace {

using nlohmann::json;

// A network of one cell of three nodes with the operations on its six edges: 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
Graph Cell(const std::vector<std::string>& edges) {
  json layers = json::array();
  for (std::size_t i = 0; i < edges.size(); ++i) {
    layers.push_back({{"name", "edge" + std::to_string(i)}, {"option", edges[i]}});
  }
  const json network = {
      {"input", {3, 8, 8}}, {"classes", 10}, {"stem_channels", 4}, {"parameters", {{"cells", 1}, {"stages", 1}}}};
  return PlanNetwork({{"layers", layers}}, network);
}

int CountOps(const Graph& graph, OpKind kind) {
  int count = 0;
  for (const Op& op : graph.ops) count += op.kind == kind ? 1 : 0;
  return count;
}

// Checks that each operation reads earlier values, and that each value but the last is read.
void ExpectWhole(const Graph& graph) {
  std::vector<bool> read(graph.ops.size() + 1);
  for (std::size_t i = 0; i < graph.ops.size(); ++i) {
    for (const Value value : {graph.ops[i].first, graph.ops[i].second}) {
      ASSERT_LE(value, static_cast<Value>(i));
      if (value >= 0) read[static_cast<std::size_t>(value)] = true;
    }
  }
  for (std::size_t i = 0; i + 1 < graph.ops.size(); ++i) EXPECT_TRUE(read[i + 1]) << i;
}

TEST(WithoutDeadOps, LeavesALiveNetworkAsItIs) {
  const Graph graph =
      Cell({"nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3", "skip_connect", "nor_conv_3x3"});
  const Graph live = WithoutDeadOps(graph);
  EXPECT_EQ(live.ops.size(), graph.ops.size());
  EXPECT_EQ(CountNetwork(live).params, CountNetwork(graph).params);
}

TEST(WithoutDeadOps, RemovesWhatTheResultDoesNotDependOn) {
  // Nodes 1 and 2 are computed, but the result is only node 0.
  const Graph graph = Cell({"nor_conv_3x3", "nor_conv_3x3", "nor_conv_1x1", "skip_connect", "none", "none"});
  const Graph live = WithoutDeadOps(graph);
  ExpectWhole(live);
  // The same as without these branches.
  const Graph never = WithoutDeadOps(Cell({"none", "none", "none", "skip_connect", "none", "none"}));
  EXPECT_EQ(live.ops.size(), never.ops.size());
  EXPECT_EQ(CountNetwork(live).params, CountNetwork(never).params);
  EXPECT_EQ(CountOps(graph, OpKind::kConv) - CountOps(live, OpKind::kConv), 3);
  EXPECT_EQ(CountOps(live, OpKind::kZero), 0);
}

TEST(WithoutDeadOps, RemovesWhatOnlyPassesZerosOn) {
  // Node 1 is zero, and node 2 its average; node 3 adds that to node 0.
  const Graph live = WithoutDeadOps(Cell({"none", "none", "avg_pool_3x3", "skip_connect", "none", "skip_connect"}));
  ExpectWhole(live);
  for (const OpKind kind : {OpKind::kZero, OpKind::kAveragePool, OpKind::kAdd}) EXPECT_EQ(CountOps(live, kind), 0);
}

TEST(WithoutDeadOps, KeepsWhatBecomesOfZeros) {
  // A normalization shifts zeros. So the convolution before it is removed, and the normalization
  // stays.
  const Graph graph = Cell({"none", "none", "none", "none", "nor_conv_3x3", "none"});
  const Graph live = WithoutDeadOps(graph);
  ExpectWhole(live);
  EXPECT_EQ(CountOps(live, OpKind::kZero), 1);
  // Everything before the zeros is dead, including the stem.
  EXPECT_EQ(CountOps(live, OpKind::kConv), 0);
  for (const Op& op : live.ops) {
    if (op.kind == OpKind::kZero) {
      EXPECT_EQ(op.first, GraphBuilder::kInput);
    }
  }
}

TEST(WithoutDeadOps, KnowsWhatActivationsMakeOfZeros) {
  for (const Activation activation :
       {Activation::kRelu, Activation::kRelu6, Activation::kHardSwish, Activation::kHardSigmoid}) {
    GraphBuilder builder({3, 2, 2});
    builder.BeginLayer("gate");
    const Value gate = builder.Activate(builder.Zero(GraphBuilder::kInput, 3), activation);
    builder.Linear(builder.GlobalPool(builder.Scale(GraphBuilder::kInput, builder.GlobalPool(gate))), 10);
    const Graph live = WithoutDeadOps(builder.Take());
    ExpectWhole(live);
    EXPECT_EQ(CountOps(live, OpKind::kScale), activation == Activation::kHardSigmoid ? 1 : 0);
  }
}

}  // namespace
}  // namespace layernas::network
