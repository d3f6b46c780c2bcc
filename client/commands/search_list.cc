#include <chrono>
#include <memory>
#include <string>

#include "client/commands/checks.h"
#include "client/commands/command.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/output/units.h"

namespace layernas::client {
namespace {

constexpr std::int64_t kDefaultLimit = 100;

struct ListOptions {
  OutputFormat output = OutputFormat::kTable;
  std::int64_t limit = kDefaultLimit;
};

struct GetOptions {
  std::string name;
  OutputFormat output = OutputFormat::kTable;
};

// Returns the highest reward that meets a target, or of the frontier for a search without targets.
Cell BestCell(ControllerConnection& connection, const v1::Search& search) {
  if (search.spec().objective().targets().empty() && search.progress().frontier_size() > 0) {
    // Without targets, the message of the search has no best point. The points of the frontier
    // ascend in reward.
    const absl::StatusOr<v1::GetFrontierResponse> frontier = GetFrontier(connection, search.name());
    const bool known = frontier.ok() && frontier->points_size() > 0;
    return known ? Cell::Value(frontier->points().rbegin()->reward()) : Cell::Empty();
  }
  const v1::FrontierPoint* best = nullptr;
  for (const v1::TargetBest& target : search.best()) {
    if (target.has_best() && (best == nullptr || target.best().reward() > best->reward())) best = &target.best();
  }
  return best == nullptr ? Cell::Empty() : Cell::Value(best->reward());
}

absl::StatusOr<ExitCode> List(const CommandContext& context, const ListOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  v1::ListSearchesResponse all;
  LAYERNAS_ASSIGN_OR_RETURN(const bool more,
                            ForEachPage(*connection, &v1::SearchService::Stub::ListSearches, v1::ListSearchesRequest(),
                                        options.limit, [&](const v1::ListSearchesResponse& page) {
                                          all.mutable_searches()->MergeFrom(page.searches());
                                          return page.searches_size();
                                        }));
  if (more) context.terminal.err << "listed only the newest " << options.limit << "; --limit 0 lists all\n";
  std::ostream& out = context.terminal.out;
  if (IsForPrograms(options.output)) {
    MessageList list(out, "searches", options.output);
    for (const v1::Search& search : all.searches()) list.Add(search);
    return ExitCode::kOk;
  }
  Table table({"name", "state", "trainings", "stage", "best reward", "created", "waiting for"});
  for (const v1::Search& search : all.searches()) {
    Cell created = Cell::Text(FormatTime(search.create_time()));
    created.exact = FormatExactTime(search.create_time());
    Cell trainings = Cell::Text(TrainingsText(search.progress()));
    trainings.exact = std::to_string(search.progress().trainings());
    trainings.align_right = true;
    table.AddRow({Cell::Text(ShortName(search.name())), StateCell(search.state()), trainings,
                  Cell::Text(StageText(search)), BestCell(*connection, search), created,
                  Cell::Text(search.waiting_for())});
  }
  if (options.output == OutputFormat::kCsv) {
    table.PrintCsv(out, context.terminal.IsScreen());
  } else if (table.empty()) {
    out << "no searches yet; start one with 'layernas search submit SPEC'\n";
  } else {
    table.Print(out, context.terminal.color);
  }
  return ExitCode::kOk;
}

void PrintSearch(std::ostream& out, const v1::Search& search) {
  const v1::SearchProgress& progress = search.progress();
  const auto line = [&out](const char* label, const std::string& text) {
    if (text.empty()) return;
    out << label << std::string(14 - std::string_view(label).size(), ' ') << Printable(text) << '\n';
  };
  line("name", search.name());
  line("state", StateText(search.state()) + ReasonText(search));
  line("waiting for", search.waiting_for());
  line("created", FormatTime(search.create_time()));
  line("ended", FormatTime(search.end_time()));
  if (search.has_end_time()) {
    line("took", FormatElapsed(std::chrono::seconds(search.end_time().seconds() - search.create_time().seconds())));
  }
  if (search.spec().has_sharing()) line("sharing", SharingText(search.spec().sharing()));
  line("progress", StageText(search));
  line("trainings", TrainingsText(progress));
  line("candidates", std::to_string(progress.queued()) + " queued, " + std::to_string(progress.leased()) +
                         " running, " + std::to_string(progress.succeeded()) + " succeeded, " +
                         std::to_string(progress.infeasible()) + " infeasible, " + std::to_string(progress.failed()) +
                         " failed, " + std::to_string(progress.skipped()) + " skipped" +
                         (progress.stopped() > 0 ? ", " + std::to_string(progress.stopped()) + " stopped early" : ""));
  line("frontier", std::to_string(progress.frontier_size()) + " points");
  for (const v1::TargetBest& best : search.best()) line("best", BestText(search, best));
}

absl::StatusOr<ExitCode> Get(const CommandContext& context, const GetOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(*connection, options.name));
  LAYERNAS_ASSIGN_OR_RETURN(const v1::Search search, GetSearch(*connection, name));
  if (IsForPrograms(options.output)) {
    PrintMessage(context.terminal.out, search, options.output);
  } else {
    PrintSearch(context.terminal.out, search);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddListCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command = AddCommand(search, "list", "List searches, newest first",
                                 {"layernas search list", "layernas search list -o json | jq '.searches[].name'"});
  const auto options = std::make_shared<ListOptions>();
  command.add_option("--limit", options->limit, "Maximum searches to list; 0 = all")
      ->check(WholeNumber(0))
      ->option_text("N [100]");
  AddOutput(command, options->output,
            {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv, OutputFormat::kYaml});
  AddController(command, context);
  SetAction(command, context, [options, &context] { return List(context, *options); });
}

void AddGetCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command = AddCommand(search, "get", "Show the state of a search; JSON and YAML include its spec",
                                 {"layernas search get shapes10-1", "layernas search get shapes10-1 -o json"});
  const auto options = std::make_shared<GetOptions>();
  AddSearchName(command, options->name);
  AddOutput(command, options->output, {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kYaml});
  AddController(command, context);
  SetAction(command, context, [options, &context] { return Get(context, *options); });
}

}  // namespace layernas::client
