// Comparison of two frontiers. The points of a frontier ascend in cost and reward.
#pragma once

#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

// Returns the point with the highest reward whose cost is at most `target`, or null.
const v1::FrontierPoint* BestWithin(const v1::GetFrontierResponse& frontier, double target);

// Returns how many points of `other` are matched by a point of `frontier` with at least the same
// reward at the same or a lower cost. O(n).
int Matched(const v1::GetFrontierResponse& frontier, const v1::GetFrontierResponse& other);

}  // namespace layernas::client
