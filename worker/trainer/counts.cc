#include "worker/trainer/counts.h"

namespace layernas::trainer {

Counts CountNetwork(const NetworkPlan& plan) {
  Counts counts;
  Shape shape = plan.input;
  for (const BlockPlan& block : plan.blocks) {
    BlockPlan pooling;
    pooling.pool = block.pool;
    shape = OutputShape(pooling, shape);
    for (const ConvUnit& unit : block.units) {
      shape = OutputShape(unit, shape);
      const std::int64_t weights =
          std::int64_t{unit.kernel} * unit.kernel * (unit.in_channels / unit.groups) * unit.out_channels;
      const std::int64_t batch_norm = 2 * std::int64_t{unit.out_channels};
      counts.params += weights + batch_norm;
      counts.multiply_adds += weights * shape.height * shape.width;
    }
  }
  const std::int64_t weights = std::int64_t{plan.features} * plan.classes;
  counts.params += weights + plan.classes;
  counts.multiply_adds += weights;
  return counts;
}

}  // namespace layernas::trainer
