#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/output/json.h"
#include "client/output/units.h"
#include "client/output_buffer.h"
#include "common/base/utf8.h"
#include "common/security/file.h"
#include "common/security/token_list.h"

namespace layernas::client {
namespace {

struct TokenOptions {
  std::string role;
  std::string name;
  std::string out;
};

absl::StatusOr<ExitCode> MakeToken(const CommandContext& context, const TokenOptions& options) {
  if (const absl::Status fit = security::CheckTokenName(options.name); !fit.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--name: ", fit.message()));
  }
  LAYERNAS_ASSIGN_OR_RETURN(const std::string token, security::MakeToken());
  const std::string line =
      security::FormatTokenLine({security::ParseRole(options.role).value(), security::HashToken(token), options.name});
  if (!options.out.empty()) {
    LAYERNAS_RETURN_IF_ERROR(security::WriteNewPrivateFile(options.out, token + "\n"));
    context.terminal.out << line << '\n';
    if (!FlushOutput(context.terminal.out).ok()) {
      // Remove the token: without its line, it would be useless.
      std::error_code ignored;
      std::filesystem::remove(options.out, ignored);
      return ExitCode::kError;
    }
    return ExitCode::kOk;
  }
  context.terminal.out << token << "\n\nThis token is not shown again: store it in a file that only " << options.name
                       << " can read.\nAdd this line to the controller's --token-file:\n\n"
                       << line << '\n';
  return ExitCode::kOk;
}

struct BackupOptions {
  std::string id;
  OutputFormat output = OutputFormat::kTable;
};

absl::StatusOr<ExitCode> MakeBackup(const CommandContext& context, const BackupOptions& options) {
  // Copying a large store to another disk takes time.
  constexpr std::chrono::seconds kPatience{3600};
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  v1::CreateBackupRequest request;
  request.set_backup_id(options.id);
  LAYERNAS_ASSIGN_OR_RETURN(const v1::CreateBackupResponse response,
                            connection->Call(&v1::AdminService::Stub::CreateBackup, request, kPatience));
  if (IsForPrograms(options.output)) {
    PrintMessage(context.terminal.out, response.backup(), options.output);
  } else {
    context.terminal.out << "backup " << Printable(response.backup().id()) << " ("
                         << FormatValue(response.backup().size_bytes()) << "B) is on the controller's machine in "
                         << Printable(response.backup().path()) << '\n';
  }
  return ExitCode::kOk;
}

void AddTokenCommand(CLI::App& admin, CommandContext& context) {
  CLI::App& command = AddCommand(admin, "token", "Create a token, and its line for the controller's --token-file",
                                 {"layernas admin token --role worker --name gpu-1",
                                  "layernas admin token --role client --name ann --out ann.token >> tokens"});
  const auto options = std::make_shared<TokenOptions>();
  std::vector<std::string> roles;
  for (const security::Role role : security::kRoles) roles.emplace_back(security::Name(role));
  command.add_option("--role", options->role, "Role of the token: read-only, client, worker or admin")
      ->required()
      ->check(CLI::IsMember(roles))
      ->option_text("ROLE");
  command.add_option("--name", options->name, "Owner of the token, as shown in the controller's log")
      ->required()
      ->option_text("NAME");
  command
      .add_option("--out", options->out,
                  "Write the token to this new file and print only its line (default: print both)")
      ->option_text("FILE");
  SetAction(command, context, [options, &context] { return MakeToken(context, *options); });
}

void AddBackupCommand(CLI::App& admin, CommandContext& context) {
  CLI::App& command =
      AddCommand(admin, "backup", "Back up the running controller to a directory under its --backup-dir",
                 {"layernas admin backup", "layernas admin backup --id before-upgrade"});
  const auto options = std::make_shared<BackupOptions>();
  command.add_option("--id", options->id, "Name of the backup (default: current time)")->option_text("NAME");
  AddOutput(command, options->output, {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kYaml});
  AddController(command, context);
  SetAction(command, context, [options, &context] { return MakeBackup(context, *options); });
}

}  // namespace

void AddAdminCommands(CLI::App& app, CommandContext& context) {
  CLI::App& admin = AddCommand(app, "admin", "Create tokens, and back up the controller", {});
  admin.require_subcommand(1);
  AddTokenCommand(admin, context);
  AddBackupCommand(admin, context);
}

}  // namespace layernas::client
