// Watching a search, as `search watch` and `search submit --watch` do.
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

// Redrawn in place on a terminal, lines in a pipe.
std::unique_ptr<WatchView> MakeView(const Terminal& terminal, OutputFormat format);

// From its first change; on a terminal from now. The exit code is that of the search's end.
absl::StatusOr<ExitCode> FollowSearch(const Terminal& terminal, ControllerConnection& connection,
                                      const v1::Search& search, OutputFormat format, StopSignal& stop);

}  // namespace layernas::client
