// Where a search stands, as it is stored and shown.
#pragma once

#include <string>

#include "common/base/clock.h"

namespace layernas::core {

// Stored: DO NOT CHANGE the values.
enum class SearchState { kRunning = 1, kPaused = 2, kSucceeded = 3, kFailed = 4, kCancelled = 5 };

constexpr bool IsFinal(SearchState state) { return state >= SearchState::kSucceeded; }

// Of a search, all that is stored besides its candidates.
struct SearchStatus {
  SearchState state = SearchState::kRunning;
  // Why it is in a final state; empty before.
  std::string reason;
  UnixMillis created = 0;
  // When its first candidate was leased, from which its time counts; 0 before.
  UnixMillis started = 0;
  // 0 before.
  UnixMillis ended = 0;
  // Why no more architectures are proposed; empty while they are. Repeats and trainings in full may follow.
  std::string searching_over;

  bool operator==(const SearchStatus&) const = default;
};

}  // namespace layernas::core
