#include "common/network/counts.h"

namespace layernas::network {

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
        counts.params += weights + (op.bias ? out : 0);
        counts.multiply_adds += weights * places;
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
