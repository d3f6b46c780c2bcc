#include <memory>
#include <string>

#include "client/commands/command.h"
#include "client/search_text.h"

namespace layernas::client {
namespace {

// A command that is one call on a search by name, and prints what came of it.
template <typename Request, typename Response, typename Describe>
void AddCall(CLI::App& search, CommandContext& context, const std::string& verb, const std::string& description,
             grpc::Status (v1::SearchService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
             Describe describe) {
  CLI::App& command = AddCommand(search, verb, description, {"layernas search " + verb + " shapes10-1"});
  const auto name = std::make_shared<std::string>();
  AddSearchName(command, *name);
  AddController(command, context);
  SetAction(command, context, [name, method, describe, &context]() -> absl::StatusOr<ExitCode> {
    Request request;
    LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
    LAYERNAS_ASSIGN_OR_RETURN(*request.mutable_name(), FindSearch(*connection, *name));
    LAYERNAS_ASSIGN_OR_RETURN(const Response response, connection->Call(method, request));
    context.terminal.out << request.name() << ' ' << describe(response) << '\n';
    return ExitCode::kOk;
  });
}

}  // namespace

void AddStateCommands(CLI::App& search, CommandContext& context) {
  using Stub = v1::SearchService::Stub;
  const auto state = [](const auto& response) { return StateSentence(response.search().state()); };
  AddCall(search, context, "pause", "Hand out no more candidates; trainings under way go on and count",
          &Stub::PauseSearch, state);
  AddCall(search, context, "resume", "Go on with a paused search", &Stub::ResumeSearch, state);
  AddCall(search, context, "cancel", "End a search; what it has found so far is kept", &Stub::CancelSearch, state);
  AddCall(search, context, "delete", "Remove a search that has ended, with all its data", &Stub::DeleteSearch,
          [](const auto&) { return "is deleted"; });
}

void AddSearchCommands(CLI::App& app, CommandContext& context) {
  CLI::App& search = AddCommand(app, "search", "Start searches, follow them, and see what they found",
                                {"layernas search submit spec.yaml --watch", "layernas search frontier shapes10-1"});
  search.require_subcommand(1);
  AddSubmitCommand(search, context);
  AddListCommand(search, context);
  AddGetCommand(search, context);
  AddWatchCommand(search, context);
  AddWaitCommand(search, context);
  AddStateCommands(search, context);
  AddUpdateCommand(search, context);
  AddFrontierCommand(search, context);
  AddCandidatesCommand(search, context);
  AddLogsCommand(search, context);
  AddBucketsCommand(search, context);
  AddCompareCommand(search, context);
}

}  // namespace layernas::client
