#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "client/commands/command.h"
#include "client/reference/completion.h"
#include "client/reference/man_page.h"
#include "common/base/version.h"
#include "common/process/replace_file.h"

namespace layernas::client {
namespace {

absl::StatusOr<ExitCode> WriteManPages(const CommandContext& context, const CLI::App& app, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::UnknownError("cannot create " + folder + ": " + error.message());
  const std::vector<ManPage> pages = ManPages(CommandTree(app), std::string(Version()));
  for (const ManPage& page : pages) {
    const std::string path = (std::filesystem::path(folder) / page.file).string();
    LAYERNAS_RETURN_IF_ERROR(WriteOutputFile(path, page.text));
  }
  context.terminal.out << "wrote " << pages.size() << " pages into " << folder << "; read one with: man -l " << folder
                       << "/layernas.1\n";
  return ExitCode::kOk;
}

}  // namespace

void AddReferenceCommands(CLI::App& app, CommandContext& context) {
  CLI::App& completion =
      AddCommand(app, "completion", "Print a completion script for a shell",
                 {"source <(layernas completion bash)", "layernas completion zsh > ~/.zfunc/_layernas",
                  "layernas completion fish > ~/.config/fish/completions/layernas.fish"});
  const auto shell = std::make_shared<std::string>();
  completion.add_option("SHELL", *shell, "Shell: bash, zsh or fish")->required();
  SetAction(completion, context, [shell, &app, &context]() -> absl::StatusOr<ExitCode> {
    LAYERNAS_ASSIGN_OR_RETURN(const std::string script, Completion(CommandTree(app), *shell));
    context.terminal.out << script;
    return ExitCode::kOk;
  });
  CLI::App& man = AddCommand(app, "man", "Write manual pages of all commands to a directory",
                             {"layernas man ~/.local/share/man/man1 && man layernas"});
  const auto folder = std::make_shared<std::string>();
  man.add_option("DIR", *folder, "Output directory (created if missing)")->required();
  SetAction(man, context, [folder, &app, &context] { return WriteManPages(context, app, *folder); });
}

}  // namespace layernas::client
