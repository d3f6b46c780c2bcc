#include <memory>
#include <string>

#include "client/commands/command.h"
#include "client/commands/follow.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/stop_signal.h"
#include "common/base/utf8.h"

namespace layernas::client {
namespace {

struct SubmitOptions {
  std::string spec;
  // A cost table, or empty.
  std::string costs;
  bool watch = false;
  OutputFormat output = OutputFormat::kTable;
};

absl::StatusOr<ExitCode> Submit(const CommandContext& context, const SubmitOptions& options) {
  if (options.watch && options.output == OutputFormat::kYaml) {
    return absl::InvalidArgumentError("--watch supports only -o table and -o json");
  }
  const SpecFile file = ReadSpecFile(options.spec, options.costs);
  if (ReportMistakes(context.terminal, file)) return ExitCode::kUsage;
  StopSignal stop;
  std::unique_ptr<StopOnInterrupt> interrupt;
  if (options.watch) interrupt = std::make_unique<StopOnInterrupt>(stop, StopOnInterrupt::From::kArmed);
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, SubmitSpec(*connection, file));
  if (options.watch) {
    interrupt->Arm();
    if (options.output == OutputFormat::kTable)
      context.terminal.out << "submitted " << Printable(search.name()) << '\n';
    return FollowSearch(context.terminal, *connection, search, options.output, stop);
  }
  if (IsForPrograms(options.output)) {
    PrintMessage(context.terminal.out, search, options.output);
  } else {
    context.terminal.out << "submitted " << Printable(search.name()) << "\nwatch it with: layernas search watch "
                         << Printable(ShortName(search.name())) << '\n';
  }
  return ExitCode::kOk;
}

}  // namespace

void AddSubmitCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command = AddCommand(search, "submit", "Start a search from a spec file",
                                 {"layernas search submit spec.yaml", "layernas search submit spec.yaml --watch",
                                  "layernas search submit - -o json < spec.yaml"});
  const auto options = std::make_shared<SubmitOptions>();
  command.add_option("SPEC", options->spec, "Spec file, or - for standard input")->required();
  AddCosts(command, options->costs);
  command.add_flag("-w,--watch", options->watch, "Watch the search until it ends, as 'search watch' does");
  AddOutput(command, options->output, {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kYaml});
  AddController(command, context);
  SetAction(command, context, [options, &context] { return Submit(context, *options); });
}

}  // namespace layernas::client
