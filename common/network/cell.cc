#include "common/network/cell.h"

#include <optional>

#include "common/network/closest.h"

namespace layernas::network {
namespace {

// Returns nothing if the operation adds nothing to the node.
using AddOperation = std::optional<Value> (*)(GraphBuilder& builder, Value input, int channels);

struct Operation {
  const char* name;
  AddOperation add;
};

bool ChangesChannels(const GraphBuilder& builder, Value input, int channels) {
  return builder.ShapeOf(input).channels != channels;
}

constexpr Operation kOperations[] = {
    {"none", [](GraphBuilder&, Value, int) -> std::optional<Value> { return std::nullopt; }},
    {"skip_connect",
     [](GraphBuilder& builder, Value input, int channels) -> std::optional<Value> {
       if (!ChangesChannels(builder, input, channels)) return input;
       return builder.ConvNorm(input, channels, 1, 1, 1, Activation::kNone);
     }},
    {"avg_pool_3x3",
     [](GraphBuilder& builder, Value input, int channels) -> std::optional<Value> {
       if (ChangesChannels(builder, input, channels)) input = ActivatedConv(builder, input, channels, 1, 1);
       return builder.AveragePool(input, 3, 1);
     }},
    {"nor_conv_1x1",
     [](GraphBuilder& builder, Value input, int channels) -> std::optional<Value> {
       return ActivatedConv(builder, input, channels, 1, 1);
     }},
    {"nor_conv_3x3",
     [](GraphBuilder& builder, Value input, int channels) -> std::optional<Value> {
       return ActivatedConv(builder, input, channels, 3, 1);
     }},
};

const Operation& FindOperation(const GraphBuilder& builder, const std::string& name) {
  for (const Operation& operation : kOperations) {
    if (name == operation.name) return operation;
  }
  std::vector<std::string> names;
  std::string list;
  for (const Operation& operation : kOperations) {
    names.emplace_back(operation.name);
    list += (list.empty() ? "" : ", ") + names.back();
  }
  builder.Refuse("unknown cell operation '" + name + "' (known operations: " + list + ")" + DidYouMean(name, names));
}

}  // namespace

Value ActivatedConv(GraphBuilder& builder, Value input, int channels, int kernel, int stride) {
  return builder.Norm(builder.Conv(builder.Activate(input, Activation::kRelu), channels, kernel, stride));
}

Value AddCell(GraphBuilder& builder, Value input, int channels, const std::vector<std::string>& edges) {
  std::vector<Value> nodes = {input};
  std::size_t edge = 0;
  while (edge < edges.size()) {
    if (edge + nodes.size() > edges.size()) {
      builder.Refuse("a cell cannot have " + std::to_string(edges.size()) + " edges: it must have 1, 3, 6, 10, …");
    }
    std::optional<Value> sum;
    for (const Value from : nodes) {
      const std::optional<Value> value = FindOperation(builder, edges[edge++]).add(builder, from, channels);
      if (value) sum = sum ? builder.Add(*sum, *value) : *value;
    }
    nodes.push_back(sum ? *sum : builder.Zero(input, channels));
  }
  if (nodes.size() == 1) builder.Refuse("a cell needs parameters.edges");
  return nodes.back();
}

}  // namespace layernas::network
