#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands/checks.h"
#include "client/commands/command.h"
#include "client/output/search_text.h"

namespace layernas::client {
namespace {

struct UpdateOptions {
  std::string name;
  std::optional<double> weight;
  std::optional<int> priority;
  std::optional<int> max_running;
};

absl::StatusOr<ExitCode> Update(const CommandContext& context, const UpdateOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  v1::UpdateSearchRequest request;
  LAYERNAS_ASSIGN_OR_RETURN(*request.mutable_name(), FindSearch(*connection, options.name));
  v1::Sharing& sharing = *request.mutable_sharing();
  if (options.weight) sharing.set_weight(*options.weight);
  if (options.priority) sharing.set_priority(*options.priority);
  if (options.max_running) sharing.set_max_running(*options.max_running);
  LAYERNAS_ASSIGN_OR_RETURN(const v1::UpdateSearchResponse response,
                            connection->Call(&v1::SearchService::Stub::UpdateSearch, request));
  context.terminal.out << context.terminal.Shown(request.name()) << " has "
                       << SharingText(response.search().spec().sharing()) << '\n';
  return ExitCode::kOk;
}

}  // namespace

void AddUpdateCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command = AddCommand(search, "update", "Change how a search shares the workers with other searches",
                                 {"layernas search update shapes10-1 --weight 2",
                                  "layernas search update shapes10-1 --priority 1 --max-running 8"});
  const auto options = std::make_shared<UpdateOptions>();
  AddSearchName(command, options->name);
  command
      .add_option("--weight", options->weight,
                  "Share of the workers' time relative to other searches (default: unchanged)")
      ->check(AboveZero())
      ->option_text("W");
  command.add_option("--priority", options->priority, "Priority; higher values are served first (default: unchanged)")
      ->option_text("P");
  command
      .add_option("--max-running", options->max_running,
                  "Maximum evaluations at once; 0 = no limit (default: unchanged)")
      ->check(WholeNumber(0))
      ->option_text("N");
  AddController(command, context);
  SetAction(command, context, [options, &context]() -> absl::StatusOr<ExitCode> {
    if (!options->weight && !options->priority && !options->max_running) {
      return absl::InvalidArgumentError("nothing to change: give --weight, --priority or --max-running");
    }
    return Update(context, *options);
  });
}

}  // namespace layernas::client
