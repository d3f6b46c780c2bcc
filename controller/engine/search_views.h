// Views of the engine's searches.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/engine/engine_state.h"

namespace layernas {

SearchView MakeView(const SearchEntry& entry, WorkerBook& workers);
// The candidate must be a first training with a result.
PointView MakePoint(const core::Search& search, std::uint64_t number);
std::vector<BucketView> MakeBuckets(const core::Search& search, const core::StageTable& table);
// Returns what a search waits for while none of its candidates is in progress, for example a worker
// with certain labels. Empty if it does not wait.
std::string WaitingFor(const core::Search& search, WorkerBook& workers);
// Returns in O(1) whether WaitingFor() is not empty.
bool Waits(const core::Search& search, WorkerBook& workers);

}  // namespace layernas
