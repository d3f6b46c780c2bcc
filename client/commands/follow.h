// Watching a search, for `search watch` and `search submit --watch`.
#pragma once

#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "client/exit_code.h"
#include "client/output/format.h"
#include "client/stop_signal.h"
#include "client/terminal.h"
#include "client/watch/watch_view.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

// Returns a view that is redrawn in place on a terminal and prints lines otherwise.
std::unique_ptr<WatchView> MakeView(const Terminal& terminal, OutputFormat format);

// Shows the search until it ends: from its first change, or on a terminal from its current state.
// Returns the exit code of the final state.
absl::StatusOr<ExitCode> FollowSearch(const Terminal& terminal, ControllerConnection& connection,
                                      const v1::Search& search, OutputFormat format, StopSignal& stop);

}  // namespace layernas::client
