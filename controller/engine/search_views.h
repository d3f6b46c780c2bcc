// How the engine shows its searches.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/engine/engine_state.h"

namespace layernas {

SearchView MakeView(const SearchEntry& entry, WorkerBook& workers);
// Of a candidate that was a first training and has a result.
PointView MakePoint(const core::Search& search, std::uint64_t number);
std::vector<BucketView> MakeBuckets(const core::Search& search, const core::StageTable& table);
// What a search waits for while nothing of it is under way, such as a worker with certain labels; empty if it does not
// wait.
std::string WaitingFor(const core::Search& search, WorkerBook& workers);
// Whether WaitingFor() has anything to say, in O(1).
bool Waits(const core::Search& search, WorkerBook& workers);

}  // namespace layernas
