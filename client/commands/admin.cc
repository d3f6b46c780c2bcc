#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
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
    return ExitCode::kOk;
  }
  context.terminal.out << token << "\n\nThis is the token, shown only now: keep it in a file that nobody but "
                       << options.name << " can read.\nThe controller's --token-file gets the line:\n\n"
                       << line << '\n';
  return ExitCode::kOk;
}

}  // namespace

void AddAdminCommands(CLI::App& app, CommandContext& context) {
  CLI::App& admin = AddCommand(app, "admin", "Decide who may come in", {});
  admin.require_subcommand(1);
  CLI::App& command =
      AddCommand(admin, "token", "Make a token, and the line that lets it in for the controller's --token-file",
                 {"layernas admin token --role worker --name gpu-1",
                  "layernas admin token --role client --name ann --out ann.token >> tokens"});
  const auto options = std::make_shared<TokenOptions>();
  std::vector<std::string> roles;
  for (const security::Role role : security::kRoles) roles.emplace_back(security::Name(role));
  command.add_option("--role", options->role, "read-only, client, worker or admin")
      ->required()
      ->check(CLI::IsMember(roles))
      ->option_text("ROLE");
  command.add_option("--name", options->name, "Whose token it is, for the controller's log")
      ->required()
      ->option_text("NAME");
  command.add_option("--out", options->out, "Write the token into this new file, and print the line alone")
      ->option_text("FILE");
  SetAction(command, context, [options, &context] { return MakeToken(context, *options); });
}

}  // namespace layernas::client
