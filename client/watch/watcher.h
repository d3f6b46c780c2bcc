// Watches a search until it ends, and reconnects if the connection is lost.
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

// Shows every change after `after_sequence` until the search ends, and resumes after a lost
// connection. Returns the final state, or nothing if `stop` is requested, or if the view loses its
// output. UNAVAILABLE if the controller cannot be watched for longer than `patience`. Other errors
// come from the controller.
absl::StatusOr<std::optional<v1::Search>> Watch(ControllerConnection& connection, const std::string& name,
                                                std::uint64_t after_sequence, WatchView& view, StopSignal& stop,
                                                std::chrono::nanoseconds patience = kWatchPatience);

}  // namespace layernas::client
