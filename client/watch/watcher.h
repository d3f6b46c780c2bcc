// Follows a search to its end, over broken connections.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "client/stop_signal.h"
#include "client/watch/watch_view.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

inline constexpr std::chrono::minutes kWatchPatience{10};

// Shows every change after `after_sequence`, going on where it was when the connection breaks, until the search has
// ended. Returns its last state, or nothing when `stop` was requested first,
// which happens here when the view's output is lost. UNAVAILABLE when the controller cannot be watched for longer than
// `patience` at a time; other errors are the controller's.
absl::StatusOr<std::optional<v1::Search>> Watch(ControllerConnection& connection, const std::string& name,
                                                std::uint64_t after_sequence, WatchView& view, StopSignal& stop,
                                                std::chrono::nanoseconds patience = kWatchPatience);

}  // namespace layernas::client
