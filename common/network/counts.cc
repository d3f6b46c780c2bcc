#include "common/network/counts.h"

#include <string>

#include "common/network/errors.h"

namespace layernas::network {

namespace {

constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;

// All are positive, and no product of two exceeds 63 bits: channels, kernels and sizes are limited.
void AddProduct(std::int64_t& sum, std::int64_t a, std::int64_t b, const char* what) {
  if (a > (kMaxCount - sum) / b) {
    throw InfeasibleError("the network has more than 2^53 " + std::string(what) +
                          ": choose a smaller network.input, or fewer or smaller layers");
  }
  sum += a * b;
}

}  // namespace

Counts CountNetwork(const Graph& graph) {
  Counts counts;
  for (const Op& op : graph.ops) {
    const std::int64_t in = graph.ShapeOf(op.first).channels;
    const std::int64_t out = op.output.channels;
    const std::int64_t places = std::int64_t{op.output.height} * op.output.width;
    switch (op.kind) {
      case OpKind::kConv:
      case OpKind::kLinear: {
        const std::int64_t weights = std::int64_t{op.kernel} * op.kernel * (in / op.groups) * out;
        AddProduct(counts.params, weights + (op.bias ? out : 0), 1, "parameters");
        AddProduct(counts.multiply_adds, weights, places, "multiply-adds");
        break;
      }
      case OpKind::kNorm:
        counts.params += 2 * out;
        break;
      case OpKind::kActivation:
      case OpKind::kAveragePool:
      case OpKind::kGlobalPool:
      case OpKind::kAdd:
      case OpKind::kScale:
      case OpKind::kZero:
        break;
    }
  }
  return counts;
}

}  // namespace layernas::network
