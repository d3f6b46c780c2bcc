#include "client/application.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/output_buffer.h"
#include "common/base/utf8.h"
#include "common/build_info/build_info.h"
#include "common/cli/configuration.h"
#include "common/help/help_formatter.h"
#include "common/network/closest.h"

namespace layernas::client {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  layernas init shapes10 -o spec.yaml\n"
    "  layernas validate spec.yaml\n"
    "  layernas run spec.yaml\n"
    "  layernas search submit spec.yaml --watch\n"
    "  layernas search frontier shapes10-1 -o csv\n"
    "  layernas report shapes10-1 -o report.html\n"
    "\n"
    "Exit codes: 0 success; 1 error; 2 invalid arguments or spec; 3 the search failed; 4 the search was cancelled;\n"
    "5 the controller cannot be reached; 130 interrupted.";

void AddCommands(CLI::App& app, CommandContext& context) {
  app.set_version_flag("--version", VersionText("layernas"));
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kFooter);
  app.require_subcommand(1);
  // Only connection options are configurable (AddController); a configuration file must not set
  // what a command does.
  app.option_defaults()->configurable(false);
  AddAdminCommands(app, context);
  AddCountCommand(app, context);
  AddInitCommand(app, context);
  AddMeasureCommands(app, context);
  AddReferenceCommands(app, context);
  AddReportCommand(app, context);
  AddRunCommand(app, context);
  AddSearchCommands(app, context);
  AddValidateCommand(app, context);
  AddWorkerCommands(app, context);
}

// Files of the user (XDG Base Directory Specification), then of the machine.
std::vector<std::string> DefaultFiles() {
  std::vector<std::string> files;
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  if (config != nullptr && *config == '/') {
    files.push_back(std::string(config) + "/layernas/client.yaml");
  } else if (home != nullptr && *home == '/') {
    files.push_back(std::string(home) + "/.config/layernas/client.yaml");
  }
  files.push_back("/etc/layernas/client.yaml");
  return files;
}

// Returns a message about a misspelled command, or an empty text. The parser only says that a
// command is required.
std::string UnknownCommand(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* command = &app;
  std::string path = "layernas";
  for (const std::string& argument : arguments) {
    const std::vector<const CLI::App*> below = command->get_subcommands([](const CLI::App*) { return true; });
    if (below.empty() || argument.starts_with('-')) return "";
    const auto found = std::find_if(below.begin(), below.end(),
                                    [&argument](const CLI::App* each) { return each->get_name() == argument; });
    if (found == below.end()) {
      std::vector<std::string> names;
      for (const CLI::App* each : below) names.push_back(each->get_name());
      const std::string meant = DidYouMean(argument, names);
      return absl::StrCat("'", path, "' has no command '", argument, "'",
                          meant.empty() ? absl::StrCat("; '", path, " --help' lists them") : meant);
    }
    command = *found;
    absl::StrAppend(&path, " ", argument);
  }
  return "";
}

// Parses and runs the command line, except for the final flush of the output.
ExitCode RunCommandLine(const std::vector<std::string>& arguments, const Terminal& terminal,
                        const std::string& program_folder) {
  CommandContext context(terminal, program_folder);
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  if (dashes != arguments.end()) context.worker_arguments.assign(dashes + 1, arguments.end());

  CLI::App app("Search for neural networks that are accurate at a given cost", "layernas");
  AddCommands(app, context);
  cli::Configuration configuration(app, {"LAYERNAS_CLIENT_CONFIG", DefaultFiles()});
  try {
    configuration.Parse(std::vector<std::string>(arguments.begin(), dashes));
    if (!context.worker_arguments.empty() && !app.got_subcommand("run")) {
      throw CLI::ExtrasError("layernas", {"only 'layernas run' accepts arguments after --"});
    }
  } catch (const CLI::RequiredError& error) {
    const std::string unknown = UnknownCommand(app, arguments);
    if (unknown.empty()) {
      app.exit(error, terminal.out, terminal.err);
    } else {
      terminal.err << "layernas: " << unknown << '\n';
    }
    return ExitCode::kUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error, terminal.out, terminal.err) == 0 ? ExitCode::kOk : ExitCode::kUsage;
  }
  const absl::StatusOr<ExitCode> result = context.action();
  if (result.ok()) return *result;
  // The message can come from a controller.
  terminal.err << "layernas: " << terminal.Shown(std::string(result.status().message()), Unprintable::kMarkInLines)
               << '\n';
  return ExitCodeOf(result.status());
}

}  // namespace

ExitCode RunClient(const std::vector<std::string>& arguments, const Terminal& terminal,
                   const std::string& program_folder) {
  const ExitCode code = RunCommandLine(arguments, terminal, program_folder);
  const absl::Status written = FlushOutput(terminal.out);
  if (written.ok()) return code;
  terminal.err << "layernas: " << std::string(written.message()) << '\n';
  return ExitCode::kError;
}

}  // namespace layernas::client
