// What a turn of the engine has changed, as one batch of records; and what follows from it for the leases, the shares
// and the metrics.
#pragma once

#include "controller/engine/engine_state.h"

namespace layernas {

// For the engine's thread.
class TurnRecorder {
 public:
  // `state` must outlive it; its next search id is stored already.
  explicit TurnRecorder(EngineState& state) : state_(state), stored_next_id_(state.searches.next_id()) {}

  // Moves the changes of the touched searches to the batch, and leaves in state.touched those that have any.
  storage::Batch Collect();

 private:
  // False if there are none.
  bool CollectSearch(SearchEntry& entry, storage::Batch& batch);
  void CollectCandidate(SearchEntry& entry, const core::Candidate& candidate, storage::Batch& batch);
  void CollectTables(const SearchEntry& entry, std::size_t from, storage::Batch& batch) const;
  // The logs that came in this turn; removes old ones.
  void CollectLogs(storage::Batch& batch);

  EngineState& state_;
  std::uint64_t stored_next_id_;
};

}  // namespace layernas
