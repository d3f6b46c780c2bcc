#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "client/commands/command.h"
#include "client/commands/follow.h"
#include "client/output/search_text.h"
#include "client/watch/watcher.h"

namespace layernas::client {
namespace {

struct WatchOptions {
  std::string name;
  OutputFormat output = OutputFormat::kTable;
};

absl::StatusOr<ExitCode> WatchByName(const CommandContext& context, const WatchOptions& options) {
  StopSignal stop;
  StopOnInterrupt interrupt(stop, StopOnInterrupt::From::kArmed);
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(*connection, options.name));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, GetSearch(*connection, name));
  interrupt.Arm();
  return FollowSearch(context.terminal, *connection, search, options.output, stop);
}

}  // namespace

std::unique_ptr<WatchView> MakeView(const Terminal& terminal, OutputFormat format) {
  if (format == OutputFormat::kJson) return MakeJsonView(terminal);
  return terminal.interactive ? MakeProgressView(terminal) : MakeLineView(terminal);
}

absl::StatusOr<ExitCode> FollowSearch(const Terminal& terminal, ControllerConnection& connection,
                                      const v1::Search& search, OutputFormat format, StopSignal& stop) {
  const std::unique_ptr<WatchView> view = MakeView(terminal, format);
  std::uint64_t after = 0;
  if (format == OutputFormat::kTable && terminal.interactive) {
    v1::WatchSearchResponse now;
    *now.mutable_search() = search;
    view->Show(now);
    // Also show the most recent changes.
    constexpr std::uint64_t kPast = 1000;
    after = search.sequence() - std::min(search.sequence(), kPast);
    if (IsFinal(search.state())) {
      view->End();
      return ExitCodeOf(search.state());
    }
  }
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<v1::Search> last, Watch(connection, search.name(), after, *view, stop));
  if (!last.has_value()) {
    terminal.err << "\nstopped watching; the search continues. Watch it again with: layernas search watch "
                 << terminal.Shown(ShortName(search.name())) << '\n';
    return ExitCode::kInterrupted;
  }
  return ExitCodeOf(last->state());
}

void AddWatchCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command =
      AddCommand(search, "watch",
                 "Watch a search until it ends, as a progress bar on a terminal, otherwise as lines.\n"
                 "Exit code: 0 succeeded, 3 failed, 4 cancelled",
                 {"layernas search watch shapes10-1", "layernas search watch shapes10-1 -o json | jq .candidate"});
  const auto options = std::make_shared<WatchOptions>();
  AddSearchName(command, options->name);
  AddOutput(command, options->output, {OutputFormat::kTable, OutputFormat::kJson});
  AddController(command, context);
  SetAction(command, context, [options, &context] { return WatchByName(context, *options); });
}

}  // namespace layernas::client
