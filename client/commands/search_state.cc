#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/output/search_text.h"
#include "common/base/utf8.h"

namespace layernas::client {
namespace {

// Adds a command that calls one method on a search by name and prints the result.
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
    context.terminal.out << Printable(request.name()) << ' ' << describe(response) << '\n';
    return ExitCode::kOk;
  });
}

struct EndOptions {
  std::string name;
  bool newest = false;
  bool yes = false;
};

// Adds a command that cannot be undone. `Request` and `Response` are as for AddCall. On a terminal,
// asks `question` after the name and state of the search.
template <typename Request, typename Response, typename Describe>
void AddFinalCall(CLI::App& search, CommandContext& context, const std::string& verb, const std::string& description,
                  grpc::Status (v1::SearchService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const std::string& question, Describe describe) {
  CLI::App& command =
      AddCommand(search, verb, description,
                 {"layernas search " + verb + " shapes10-1", "layernas search " + verb + " --newest shapes10"});
  const auto options = std::make_shared<EndOptions>();
  command.add_option("NAME", options->name, "Full name of the search, such as shapes10-1")->required();
  command.add_flag("--newest", options->newest, "Treat NAME as the name of a spec and use its newest search");
  command.add_flag("-y,--yes", options->yes, "Do not ask for confirmation (default: ask on a terminal)");
  AddController(command, context);
  SetAction(command, context, [options, method, question, describe, &context]() -> absl::StatusOr<ExitCode> {
    Request request;
    LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
    if (options->newest) {
      LAYERNAS_ASSIGN_OR_RETURN(const std::string spec, SearchName(options->name));
      LAYERNAS_ASSIGN_OR_RETURN(*request.mutable_name(), FindNewest(*connection, ShortName(spec)));
    } else {
      LAYERNAS_ASSIGN_OR_RETURN(*request.mutable_name(), FindSearchByFullName(*connection, options->name));
    }
    if (!options->yes && context.terminal.answers != nullptr) {
      LAYERNAS_ASSIGN_OR_RETURN(const v1::Search found, GetSearch(*connection, request.name()));
      const std::string asked = absl::StrCat(ShortName(found.name()), " ", StateSentence(found.state()), " with ",
                                             TrainingsText(found.progress()), " trainings. ", question);
      if (!context.terminal.Confirm(asked)) {
        context.terminal.err << "nothing was changed\n";
        return ExitCode::kError;
      }
    }
    LAYERNAS_ASSIGN_OR_RETURN(const Response response, connection->Call(method, request));
    context.terminal.out << Printable(request.name()) << ' ' << describe(response) << '\n';
    return ExitCode::kOk;
  });
}

}  // namespace

void AddStateCommands(CLI::App& search, CommandContext& context) {
  using Stub = v1::SearchService::Stub;
  const auto state = [](const auto& response) { return StateSentence(response.search().state()); };
  AddCall(search, context, "pause", "Pause a search; running trainings continue and count", &Stub::PauseSearch, state);
  AddCall(search, context, "resume", "Resume a paused search", &Stub::ResumeSearch, state);
  AddFinalCall(search, context, "cancel", "Cancel a search permanently; its results so far are kept",
               &Stub::CancelSearch, "Cancel it permanently?", state);
  AddFinalCall(search, context, "delete", "Delete a search that has ended, with all its data", &Stub::DeleteSearch,
               "Delete it with all its results?", [](const auto&) { return "is deleted"; });
}

void AddSearchCommands(CLI::App& app, CommandContext& context) {
  CLI::App& search = AddCommand(app, "search", "Start, watch and manage searches",
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
