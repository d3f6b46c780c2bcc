#include "client/output/comparison.h"

#include "common/base/cost_limit.h"

namespace layernas::client {

const v1::FrontierPoint* BestWithin(const v1::GetFrontierResponse& frontier, double target) {
  const v1::FrontierPoint* best = nullptr;
  for (const v1::FrontierPoint& point : frontier.points()) {
    if (MeetsLimit(point.cost(), target)) best = &point;
  }
  return best;
}

int Matched(const v1::GetFrontierResponse& frontier, const v1::GetFrontierResponse& other) {
  int matched = 0;
  int next = 0;
  const v1::FrontierPoint* best = nullptr;
  for (const v1::FrontierPoint& point : other.points()) {
    while (next < frontier.points_size() && frontier.points(next).cost() <= point.cost()) {
      best = &frontier.points(next++);
    }
    if (best != nullptr && best->reward() >= point.reward()) ++matched;
  }
  return matched;
}

}  // namespace layernas::client
