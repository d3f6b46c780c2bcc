#include "common/network/canonical.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "common/network/architecture.h"

namespace layernas::network {
namespace {

using nlohmann::json;

const std::vector<std::string> kOperations = {"none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"};

// Operations by their index, on the edges 0→1, 0→2, 1→2, 0→3, 1→3, 2→3.
using Edges = std::array<int, 6>;

// As in examples/nats_bench_topology.yaml, with fewer cells.
Graph Plan(const Edges& edges, int cells = 1, int stages = 1) {
  json layers = json::array();
  for (std::size_t i = 0; i < edges.size(); ++i) {
    layers.push_back({{"name", "edge" + std::to_string(i)}, {"option", kOperations[edges[i]]}});
  }
  const json parameters = {{"cells", cells}, {"stages", stages}, {"stem_activation", "none"}, {"final_norm", true}};
  const json network = {{"input", {3, 32, 32}}, {"classes", 10}, {"stem_channels", 16}, {"parameters", parameters}};
  return PlanNetwork({{"layers", layers}}, network);
}

// A brute-force version for the cell alone. Each node is written as a sorted sum, with a name for
// each convolution. Of all ways to name the convolutions, returns the result that sorts first.
std::string Reference(const Edges& edges) {
  constexpr int kFrom[] = {0, 0, 1, 0, 1, 2};
  constexpr int kTo[] = {1, 2, 2, 3, 3, 3};
  std::vector<int> convolutions;
  for (int i = 0; i < 6; ++i) {
    if (edges[i] >= 3) convolutions.push_back(i);
  }
  std::vector<int> names(convolutions.size());
  std::iota(names.begin(), names.end(), 0);
  std::string best;
  do {
    std::array<std::vector<std::string>, 4> terms;
    terms[0] = {"x"};
    const auto write = [&](int node) {
      std::sort(terms[node].begin(), terms[node].end());
      std::string text;
      for (const std::string& term : terms[node]) text += (text.empty() ? "" : "+") + term;
      return text;
    };
    for (int i = 0; i < 6; ++i) {
      const std::string input = write(kFrom[i]);
      std::vector<std::string>& to = terms[kTo[i]];
      if (edges[i] >= 3) {
        const auto at = std::find(convolutions.begin(), convolutions.end(), i) - convolutions.begin();
        const std::string name = std::to_string(names[at]);
        // If the input is zero, only the normalization's shift is left, whatever the kernel is.
        to.push_back(input.empty() ? "shift" + name
                                   : "conv" + std::to_string(edges[i]) + "_" + name + "(" + input + ")");
      } else if (edges[i] == 2 && !input.empty()) {
        to.push_back("pool(" + input + ")");
      } else if (edges[i] == 1) {
        to.insert(to.end(), terms[kFrom[i]].begin(), terms[kFrom[i]].end());
      }
    }
    const std::string text = write(3);
    if (best.empty() || text < best) best = text;
  } while (std::next_permutation(names.begin(), names.end()));
  return best;
}

template <typename Visit>
void ForEachCell(Visit visit) {
  for (int id = 0; id < 15'625; ++id) {
    Edges edges;
    for (int i = 0, rest = id; i < 6; ++i, rest /= 5) edges[i] = rest % 5;
    visit(edges);
  }
}

TEST(CanonicalForm, IsSharedByThoseThatAreOneNetworkAndByNoOthers) {
  std::map<std::string, std::string> form_of;
  std::set<std::string> forms;
  ForEachCell([&](const Edges& edges) {
    const std::string form = CanonicalForm(Plan(edges));
    forms.insert(form);
    const auto [known, is_new] = form_of.emplace(Reference(edges), form);
    ASSERT_EQ(known->second, form) << known->first;
  });
  EXPECT_EQ(forms.size(), form_of.size());
  // The published number is 6,466. Its rules distinguish between a sum that reads a node directly
  // and through a skip connection, and between the two kernels of a convolution of zeros.
  EXPECT_EQ(forms.size(), 5'485u);
}

TEST(CanonicalForm, OfManyCellsDiffersWhereOneCellDiffers) {
  const Edges by_way_of_1 = {4, 0, 1, 0, 0, 3}, directly = {0, 4, 0, 0, 0, 3}, another = {0, 3, 0, 0, 0, 4};
  EXPECT_EQ(CanonicalForm(Plan(by_way_of_1, 5, 3)), CanonicalForm(Plan(directly, 5, 3)));
  EXPECT_NE(CanonicalForm(Plan(another, 5, 3)), CanonicalForm(Plan(directly, 5, 3)));
}

TEST(CanonicalForm, TellsOneConvolutionReadTwiceFromTwo) {
  const Edges two = {4, 4, 0, 0, 1, 1}, one_twice = {4, 0, 1, 0, 1, 1};
  EXPECT_NE(CanonicalForm(Plan(two)), CanonicalForm(Plan(one_twice)));
}

TEST(CanonicalForm, DoesNotDependOnOrderAndNames) {
  const auto build = [](bool swapped) {
    GraphBuilder builder({3, 8, 8});
    builder.BeginLayer(swapped ? "a" : "b");
    const Value first = builder.Conv(GraphBuilder::kInput, 4, swapped ? 1 : 3, 1);
    const Value second = builder.Conv(GraphBuilder::kInput, 4, swapped ? 3 : 1, 1);
    const Value third = builder.AveragePool(swapped ? first : second, 3, 1);
    const Value sum =
        swapped ? builder.Add(builder.Add(third, second), first) : builder.Add(first, builder.Add(second, third));
    builder.Linear(builder.GlobalPool(sum), 10);
    return builder.Take();
  };
  EXPECT_EQ(CanonicalForm(build(false)), CanonicalForm(build(true)));
}

TEST(CanonicalForm, TellsAMapFromItsGate) {
  const auto build = [](bool swapped) {
    GraphBuilder builder({3, 1, 1});
    builder.BeginLayer("gate");
    const Value other = builder.Activate(GraphBuilder::kInput, Activation::kRelu);
    builder.Scale(swapped ? other : GraphBuilder::kInput, swapped ? GraphBuilder::kInput : other);
    return builder.Take();
  };
  EXPECT_NE(CanonicalForm(build(false)), CanonicalForm(build(true)));
}

TEST(CanonicalForm, TakesLongChainsOfSums) {
  GraphBuilder builder({3, 8, 8});
  builder.BeginLayer("chain");
  Value value = GraphBuilder::kInput;
  for (int i = 0; i < 5'000; ++i) value = builder.Add(value, builder.Conv(value, 3, 1, 1));
  builder.Linear(builder.GlobalPool(value), 10);
  EXPECT_FALSE(CanonicalForm(builder.Take()).empty());
}

}  // namespace
}  // namespace layernas::network
