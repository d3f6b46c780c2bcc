// The state of a search, as it is stored and shown.
#pragma once

#include <string>

#include "common/base/clock.h"

namespace layernas::core {

// Stored: DO NOT CHANGE the values.
enum class SearchState { kRunning = 1, kPaused = 2, kSucceeded = 3, kFailed = 4, kCancelled = 5 };

constexpr bool IsFinal(SearchState state) { return state >= SearchState::kSucceeded; }

// All stored data of a search besides its candidates.
struct SearchStatus {
  SearchState state = SearchState::kRunning;
  // Why the search is in a final state; empty before.
  std::string reason = {};
  UnixMillis created = 0;
  // When the first candidate was leased; the time budget starts here. 0 before.
  UnixMillis started = 0;
  // When the search ended; 0 before.
  UnixMillis ended = 0;
  // Why the strategy proposes no more architectures; empty while it does. Repeats and full
  // trainings may follow.
  std::string searching_over = {};

  bool operator==(const SearchStatus&) const = default;
};

}  // namespace layernas::core
