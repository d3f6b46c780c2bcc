#include "common/network/canonical.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "common/network/dead_ops.h"

namespace layernas::network {
namespace {

// A sum with more terms is not merged into the sum that reads it. This limits the work on long
// residual chains.
constexpr std::size_t kMaxMergedTerms = 64;
// Passes up and down the graph. Each pass distinguishes nodes by nodes one step further away.
constexpr int kRounds = 2;

using Colour = std::uint64_t;

// The finalizer of SplitMix64 over a running sum (Steele et al. 2014). A collision can only make
// two equal graphs look different.
Colour Mix(Colour seed, Colour value) {
  Colour mixed = seed * 0x9e3779b97f4a7c15 + value + 0x7f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

// Index of a node. Node 0 is the input of the network.
using Node = std::size_t;

struct Operand {
  Node node = 0;
  // For a sum, how often the node is a term; otherwise the position of the operand.
  std::uint64_t weight = 0;

  bool operator<(const Operand& other) const { return std::tie(node, weight) < std::tie(other.node, other.weight); }
};

struct LabelledOperation {
  // The operation without its operands.
  std::vector<int> label;
  // Ordered by node.
  std::vector<Operand> operands;

  bool operator<(const LabelledOperation& other) const {
    return std::tie(label, operands) < std::tie(other.label, other.operands);
  }
};

std::vector<int> LabelOf(const Op& op) {
  return {static_cast<int>(op.kind),
          op.output.channels,
          op.output.height,
          op.output.width,
          op.kernel,
          op.stride,
          op.groups,
          op.bias ? 1 : 0,
          static_cast<int>(op.activation)};
}

bool HasWeights(OpKind kind) { return kind == OpKind::kConv || kind == OpKind::kNorm || kind == OpKind::kLinear; }

// The graph with one node per distinct value.
class Merged {
 public:
  explicit Merged(const Graph& graph) {
    nodes_.push_back({{-1, graph.input.channels, graph.input.height, graph.input.width}, {}});
    std::vector<Node> node_of = {0};
    for (const Op& op : graph.ops) node_of.push_back(Add(op, node_of));
    KeepWhatIsRead(node_of.back());
  }

  // In a valid order of computation; the last node is the result.
  const std::vector<LabelledOperation>& nodes() const { return nodes_; }

 private:
  Node Add(const Op& op, const std::vector<Node>& node_of) {
    LabelledOperation operation{LabelOf(op), {}};
    const Node first = node_of[static_cast<std::size_t>(op.first)];
    if (op.kind == OpKind::kAdd) {
      std::map<Node, std::uint64_t> terms;
      for (const Node node : {first, node_of[static_cast<std::size_t>(op.second)]}) {
        const LabelledOperation& term = nodes_[node];
        if (term.label == operation.label && term.operands.size() <= kMaxMergedTerms) {
          for (const Operand& inner : term.operands) terms[inner.node] += inner.weight;
        } else {
          ++terms[node];
        }
      }
      for (const auto& [node, count] : terms) operation.operands.push_back({node, count});
    } else {
      operation.operands.push_back({first, 0});
      if (op.second >= 0) operation.operands.push_back({node_of[static_cast<std::size_t>(op.second)], 1});
      std::sort(operation.operands.begin(), operation.operands.end());
    }
    const Node added = nodes_.size();
    if (!HasWeights(op.kind)) {
      const auto [known, is_new] = known_.emplace(operation, added);
      if (!is_new) return known->second;
    }
    nodes_.push_back(std::move(operation));
    return added;
  }

  // Removes sums that were merged into others, and nodes that only they read. The result becomes
  // the last node.
  void KeepWhatIsRead(Node result) {
    std::vector<bool> is_read(nodes_.size());
    is_read[result] = true;
    for (Node node = nodes_.size(); node-- > 0;) {
      if (!is_read[node]) continue;
      for (const Operand& operand : nodes_[node].operands) is_read[operand.node] = true;
    }
    std::vector<LabelledOperation> kept;
    std::vector<Node> number(nodes_.size());
    for (Node node = 0; node <= result; ++node) {
      if (!is_read[node]) continue;
      number[node] = kept.size();
      for (Operand& operand : nodes_[node].operands) operand.node = number[operand.node];
      kept.push_back(std::move(nodes_[node]));
    }
    nodes_ = std::move(kept);
  }

  std::vector<LabelledOperation> nodes_;
  // Operations without weights.
  std::map<LabelledOperation, Node> known_;
};

// Returns colours that do not depend on the order of the nodes. They differ if nodes differ in what
// they read or in which nodes read them.
std::vector<Colour> ColoursOf(const std::vector<LabelledOperation>& nodes) {
  std::vector<Colour> colours;
  for (const LabelledOperation& node : nodes) {
    Colour colour = 0;
    for (const int part : node.label) colour = Mix(colour, static_cast<Colour>(part));
    colours.push_back(colour);
  }
  for (int round = 0; round < kRounds; ++round) {
    // Sums over neighbours do not depend on their order.
    for (Node node = 0; node < nodes.size(); ++node) {
      Colour read = 0;
      for (const Operand& operand : nodes[node].operands) read += Mix(colours[operand.node], operand.weight);
      colours[node] = Mix(colours[node], read);
    }
    std::vector<Colour> readers(nodes.size());
    for (Node node = nodes.size(); node-- > 0;) {
      colours[node] = Mix(colours[node], readers[node]);
      for (const Operand& operand : nodes[node].operands) {
        readers[operand.node] += Mix(colours[node], operand.weight);
      }
    }
  }
  return colours;
}

}  // namespace

std::string CanonicalForm(const Graph& graph) {
  const Merged merged(WithoutDeadOps(graph));
  const std::vector<LabelledOperation>& nodes = merged.nodes();
  const std::vector<Colour> colours = ColoursOf(nodes);
  std::vector<std::vector<Node>> readers(nodes.size());
  std::vector<std::size_t> unnumbered(nodes.size());
  for (Node node = 0; node < nodes.size(); ++node) {
    unnumbered[node] = nodes[node].operands.size();
    for (const Operand& operand : nodes[node].operands) readers[operand.node].push_back(node);
  }

  // Numbers the nodes in a valid order of computation. Among nodes that can be next, takes the
  // first by colour and by the numbers of its operands. If several are equal, they are most likely
  // symmetric.
  std::vector<Node> number(nodes.size());
  std::set<std::tuple<Colour, std::vector<Operand>, Node>> next;
  const auto make_ready = [&](Node node) {
    std::vector<Operand> operands;
    for (const Operand& operand : nodes[node].operands) operands.push_back({number[operand.node], operand.weight});
    std::sort(operands.begin(), operands.end());
    next.emplace(colours[node], std::move(operands), node);
  };
  for (Node node = 0; node < nodes.size(); ++node) {
    if (unnumbered[node] == 0) make_ready(node);
  }
  std::string form;
  Node numbered = 0;
  while (!next.empty()) {
    const auto [colour, operands, node] = *next.begin();
    next.erase(next.begin());
    number[node] = numbered++;
    for (const int part : nodes[node].label) form += std::to_string(part) + ",";
    for (const Operand& operand : operands) {
      form += std::to_string(operand.node) + "*" + std::to_string(operand.weight) + ",";
    }
    form += ";";
    for (const Node reader : readers[node]) {
      if (--unnumbered[reader] == 0) make_ready(reader);
    }
  }
  // No node reads the result, so it is the last one.
  return form;
}

}  // namespace layernas::network
