// What the commands have in common. A command adds itself to its parent with its options and says what it does; nothing
// is done before the whole command line has been understood.
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
  // Folder of our own program, where its siblings are.
  std::string program_folder;
  // What stood after "--".
  std::vector<std::string> worker_arguments;
  // Of the command that was chosen; set by AddController.
  std::string controller = "127.0.0.1:7060";
  rpc::ChannelSecurity security;
  // The command that was chosen.
  std::function<absl::StatusOr<ExitCode>()> action;
};

void AddCountCommand(CLI::App& app, CommandContext& context);
void AddValidateCommand(CLI::App& app, CommandContext& context);
// Adds all of `layernas search …`.
void AddSearchCommands(CLI::App& app, CommandContext& context);
void AddWorkerCommands(CLI::App& app, CommandContext& context);
// Adds all of `layernas measure …`.
void AddMeasureCommands(CLI::App& app, CommandContext& context);
void AddReportCommand(CLI::App& app, CommandContext& context);
void AddRunCommand(CLI::App& app, CommandContext& context);
void AddInitCommand(CLI::App& app, CommandContext& context);
// `layernas completion` and `layernas man`.
void AddReferenceCommands(CLI::App& app, CommandContext& context);
void AddAdminCommands(CLI::App& app, CommandContext& context);

// Parts of `layernas search`.
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

// A command whose help ends with `examples`, a line each.
CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::vector<std::string>& examples);
// Runs `action` if the command is the one chosen.
void SetAction(CLI::App& command, CommandContext& context, std::function<absl::StatusOr<ExitCode>()> action);
// --controller and how to get in there.
void AddController(CLI::App& command, CommandContext& context);
void AddOutput(CLI::App& command, OutputFormat& format, const std::vector<OutputFormat>& formats);
// --costs, the table of `layernas measure lut`.
void AddCosts(CLI::App& command, std::string& table);
// The positional NAME of a search.
void AddSearchName(CLI::App& command, std::string& name);

absl::StatusOr<std::unique_ptr<ControllerConnection>> Connect(const CommandContext& context);

// Prints what is wrong with the file, if anything is.
bool ReportMistakes(const Terminal& terminal, const SpecFile& file);

// Submits the spec; prints where it is wrong if the controller thinks so. Safe against a lost answer.
absl::StatusOr<v1::Search> SubmitSpec(ControllerConnection& connection, const SpecFile& file);

}  // namespace layernas::client
