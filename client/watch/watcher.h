// Follows a search to its end, over broken connections.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "client/stop_signal.h"
#include "client/watch/watch_view.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

// Shows every change after `after_sequence`, going on where it was when the connection breaks, until the search has
// ended. Returns its last state, or nothing when `stop` was requested first,
// which happens here when the view's output is lost. UNAVAILABLE when the controller stays away
// for ten minutes; other errors are the controller's.
absl::StatusOr<std::optional<v1::Search>> Watch(ControllerConnection& connection, const std::string& name,
                                                std::uint64_t after_sequence, WatchView& view, StopSignal& stop);

}  // namespace layernas::client
