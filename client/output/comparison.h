// Two frontiers side by side. Frontiers ascend in cost and reward.
#pragma once

#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

// The point of highest reward whose cost is at most `target`; null where there is none.
const v1::FrontierPoint* BestWithin(const v1::GetFrontierResponse& frontier, double target);

// How many points of `other` some point of `frontier` matches or beats: as good at no more cost. O(n).
int Matched(const v1::GetFrontierResponse& frontier, const v1::GetFrontierResponse& other);

}  // namespace layernas::client
