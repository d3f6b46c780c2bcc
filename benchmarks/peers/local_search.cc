#include "benchmarks/peers/local_search.h"

namespace layernas::bench {

std::optional<core::Architecture> LocalSearch::Propose() {
  while (!waiting_.empty()) {
    core::Architecture next = std::move(waiting_.back());
    waiting_.pop_back();
    if (trials_.MayTrain(next)) return next;
  }
  place_.reset();
  return trials_.DrawToTrain();
}

void LocalSearch::Observe(const core::Architecture& architecture, double reward, double cost) {
  trials_.Add(architecture, reward, cost);
  const bool meets_target = trials_.MeetsTarget(trials_.size() - 1);
  const Place here{meets_target, meets_target ? reward : -cost};
  if (place_ && !(*place_ < here)) return;
  place_ = here;
  waiting_ = trials_.Neighbours(architecture);
  Shuffle(waiting_, trials_.random());
}

}  // namespace layernas::bench
