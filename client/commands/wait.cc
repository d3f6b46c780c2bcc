#include <memory>
#include <optional>
#include <string>

#include "client/commands/command.h"
#include "client/output/search_text.h"
#include "client/stop_signal.h"
#include "client/watch/watcher.h"

namespace layernas::client {
namespace {

// Reports only that the connection was lost or restored.
class SilentView : public WatchView {
 public:
  explicit SilentView(const Terminal& terminal) : terminal_(terminal) {}
  void Show(const v1::WatchSearchResponse& /*change*/) override {}
  void Notice(const std::string& text) override { terminal_.err << terminal_.Shown(text) << '\n' << std::flush; }
  void End() override {}

 private:
  const Terminal terminal_;
};

absl::StatusOr<ExitCode> Wait(const CommandContext& context, const std::string& written) {
  StopSignal stop;
  StopOnInterrupt interrupt(stop, StopOnInterrupt::From::kArmed);
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(*connection, written));
  LAYERNAS_ASSIGN_OR_RETURN(v1::Search search, GetSearch(*connection, name));
  interrupt.Arm();
  if (!IsFinal(search.state())) {
    SilentView view(context.terminal);
    LAYERNAS_ASSIGN_OR_RETURN(const std::optional<v1::Search> last,
                              Watch(*connection, name, search.sequence(), view, stop));
    if (!last.has_value()) return ExitCode::kInterrupted;
    search = *last;
  }
  const Terminal& terminal = context.terminal;
  terminal.out << terminal.Shown(ShortName(name)) << ' ' << StateSentence(search.state())
               << terminal.Shown(ReasonText(search)) << '\n';
  return ExitCodeOf(search.state());
}

}  // namespace

void AddWaitCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command = AddCommand(search, "wait",
                                 "Wait until a search ends, even if the controller restarts.\n"
                                 "Exit code: 0 succeeded, 3 failed, 4 cancelled",
                                 {"layernas search wait shapes10-1 && layernas report shapes10-1"});
  const auto name = std::make_shared<std::string>();
  AddSearchName(command, *name);
  AddController(command, context);
  SetAction(command, context, [name, &context] { return Wait(context, *name); });
}

}  // namespace layernas::client
