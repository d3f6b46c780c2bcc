// Records the changes of a turn of the engine as one batch, and updates leases, shares and metrics
// accordingly.
#pragma once

#include "controller/engine/engine_state.h"

namespace layernas {

// Use it only on the engine's thread.
class TurnRecorder {
 public:
  // `state` must outlive this object. Its next search id must already be stored.
  explicit TurnRecorder(EngineState& state) : state_(state), stored_next_id_(state.searches.next_id()) {}

  // Moves the changes of the touched searches to the batch. Keeps only changed searches in
  // state.touched.
  storage::Batch Collect();

 private:
  // Returns false if there are no changes.
  bool CollectSearch(SearchEntry& entry, storage::Batch& batch);
  void CollectCandidate(SearchEntry& entry, const core::Candidate& candidate, storage::Batch& batch);
  void CollectTables(const SearchEntry& entry, std::size_t from, storage::Batch& batch) const;
  // Adds the logs that arrived in this turn, and removes old ones.
  void CollectLogs(storage::Batch& batch);

  // How often the time of the store is written if nothing else is. So much running time can be taken
  // for a stop after a crash.
  static constexpr Millis kTimeInterval{60'000};

  EngineState& state_;
  std::uint64_t stored_next_id_;
  SteadyTime time_written_;
};

}  // namespace layernas
