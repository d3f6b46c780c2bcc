#include "common/network/dead_ops.h"

#include <cstddef>
#include <vector>

namespace layernas::network {
namespace {

// Known properties of a value before the network runs.
struct Known {
  // An equal earlier value, or the value itself.
  Value same = 0;
  bool zero = false;
};

bool KeepsZeros(const Op& op) {
  switch (op.kind) {
    case OpKind::kConv:
      return !op.bias;
    case OpKind::kActivation:
      // A hard sigmoid turns zeros into one half.
      return op.activation != Activation::kHardSigmoid;
    case OpKind::kAveragePool:
    case OpKind::kGlobalPool:
    case OpKind::kZero:
      return true;
    case OpKind::kNorm:
    case OpKind::kLinear:
    case OpKind::kAdd:
    case OpKind::kScale:
      return false;
  }
  return false;
}

// Indexed by value.
std::vector<Known> Propagate(const Graph& graph) {
  std::vector<Known> known(graph.ops.size() + 1);
  const auto of = [&](Value value) { return known[static_cast<std::size_t>(value)]; };
  for (std::size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    Known& result = known[i + 1];
    result.same = static_cast<Value>(i + 1);
    const Known first = of(op.first), second = op.second < 0 ? Known{} : of(op.second);
    if (op.kind == OpKind::kAdd && (first.zero || second.zero)) {
      result = first.zero ? second : first;
    } else if (op.kind == OpKind::kScale) {
      result.zero = first.zero || second.zero;
    } else {
      result.zero = op.kind == OpKind::kZero || (first.zero && KeepsZeros(op));
    }
  }
  return known;
}

}  // namespace

Graph WithoutDeadOps(const Graph& graph) {
  Graph live;
  live.input = graph.input;
  live.layers = graph.layers;
  if (graph.ops.empty()) return live;

  const std::vector<Known> known = Propagate(graph);
  const auto same = [&](Value value) { return static_cast<std::size_t>(known[static_cast<std::size_t>(value)].same); };
  std::vector<bool> needed(known.size());
  needed[same(static_cast<Value>(graph.ops.size()))] = true;
  for (std::size_t i = graph.ops.size(); i-- > 0;) {
    if (!needed[i + 1] || known[i + 1].zero) continue;
    for (const Value read : {graph.ops[i].first, graph.ops[i].second}) {
      if (read >= 0) needed[same(read)] = true;
    }
  }

  // New numbers of the required values.
  std::vector<Value> number(known.size());
  for (std::size_t i = 0; i < graph.ops.size(); ++i) {
    if (!needed[i + 1]) continue;
    const Op& op = graph.ops[i];
    if (known[i + 1].zero) {
      Op zero;
      zero.kind = OpKind::kZero;
      zero.layer = op.layer;
      zero.first = GraphBuilder::kInput;
      zero.output = op.output;
      live.ops.push_back(zero);
    } else {
      live.ops.push_back(op);
      live.ops.back().first = number[same(op.first)];
      if (op.second >= 0) live.ops.back().second = number[same(op.second)];
    }
    number[i + 1] = static_cast<Value>(live.ops.size());
  }
  return live;
}

}  // namespace layernas::network
