// Where a search stands, as it is stored and shown.
#pragma once

namespace layernas::core {

// Stored: DO NOT CHANGE the values.
enum class SearchState { kRunning = 1, kPaused = 2, kSucceeded = 3, kFailed = 4, kCancelled = 5 };

constexpr bool IsFinal(SearchState state) { return state >= SearchState::kSucceeded; }

}  // namespace layernas::core
