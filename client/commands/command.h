// Shared parts of the commands. Each command adds itself and its options to its parent, and sets an
// action. The action runs after the complete command line has been parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "client/exit_code.h"
#include "client/output/format.h"
#include "client/queries.h"
#include "client/spec/spec_reader.h"
#include "client/terminal.h"
#include "common/base/status_macros.h"

namespace layernas::client {

struct CommandContext {
  CommandContext(const Terminal& t, std::string folder) : terminal(t), program_folder(std::move(folder)) {}

  Terminal terminal;
  // Directory of this program and of the other layernas programs.
  std::string program_folder;
  // Arguments after "--".
  std::vector<std::string> worker_arguments;
  // Connection of the selected command; set by AddController.
  std::string controller = "127.0.0.1:7060";
  rpc::ChannelSecurity security;
  // Action of the selected command.
  std::function<absl::StatusOr<ExitCode>()> action;
};

void AddCountCommand(CLI::App& app, CommandContext& context);
void AddValidateCommand(CLI::App& app, CommandContext& context);
// Adds `layernas search` and its subcommands.
void AddSearchCommands(CLI::App& app, CommandContext& context);
void AddWorkerCommands(CLI::App& app, CommandContext& context);
// Adds `layernas measure` and its subcommands.
void AddMeasureCommands(CLI::App& app, CommandContext& context);
void AddReportCommand(CLI::App& app, CommandContext& context);
void AddRunCommand(CLI::App& app, CommandContext& context);
void AddInitCommand(CLI::App& app, CommandContext& context);
// Adds `layernas completion` and `layernas man`.
void AddReferenceCommands(CLI::App& app, CommandContext& context);
void AddAdminCommands(CLI::App& app, CommandContext& context);

// Subcommands of `layernas search`.
void AddSubmitCommand(CLI::App& search, CommandContext& context);
void AddWatchCommand(CLI::App& search, CommandContext& context);
void AddListCommand(CLI::App& search, CommandContext& context);
void AddGetCommand(CLI::App& search, CommandContext& context);
void AddStateCommands(CLI::App& search, CommandContext& context);
void AddUpdateCommand(CLI::App& search, CommandContext& context);
void AddFrontierCommand(CLI::App& search, CommandContext& context);
void AddCandidatesCommand(CLI::App& search, CommandContext& context);
void AddLogsCommand(CLI::App& search, CommandContext& context);
void AddBucketsCommand(CLI::App& search, CommandContext& context);
void AddCompareCommand(CLI::App& search, CommandContext& context);
void AddWaitCommand(CLI::App& search, CommandContext& context);

// Adds a command whose help ends with `examples`, one per line.
CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::vector<std::string>& examples);
// Runs `action` if the command is selected.
void SetAction(CLI::App& command, CommandContext& context, std::function<absl::StatusOr<ExitCode>()> action);
// Adds --controller and the options for TLS and tokens.
void AddController(CLI::App& command, CommandContext& context);
void AddOutput(CLI::App& command, OutputFormat& format, const std::vector<OutputFormat>& formats);
// Adds --costs, a table from `layernas measure lut`.
void AddCosts(CLI::App& command, std::string& table);
// Adds the positional argument NAME of a search.
void AddSearchName(CLI::App& command, std::string& name);

absl::StatusOr<std::unique_ptr<ControllerConnection>> Connect(const CommandContext& context);

// Prints the mistakes in the file. Returns whether there are any.
bool ReportMistakes(const Terminal& terminal, const SpecFile& file);

// Submits the spec. Retries once if the answer is lost, without starting a second search. If the
// controller rejects the spec, the error has the positions in the file.
absl::StatusOr<v1::Search> SubmitSpec(ControllerConnection& connection, const SpecFile& file);

}  // namespace layernas::client
