#include <memory>
#include <string>

#include "client/commands/command.h"
#include "client/output/search_text.h"
#include "client/report/page.h"
#include "common/base/utf8.h"
#include "common/process/replace_file.h"

namespace layernas::client {
namespace {

struct ReportOptions {
  std::string name;
  // Empty: named after the search.
  std::string file;
};

absl::StatusOr<ExitCode> Report(const CommandContext& context, const ReportOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(*connection, options.name));
  LAYERNAS_ASSIGN_OR_RETURN(const SearchData data, FetchSearchData(*connection, name));
  const std::string page = ReportPage(data);
  if (options.file == "-") {
    context.terminal.out << page;
    return ExitCode::kOk;
  }
  const std::string file = options.file.empty() ? Printable(ShortName(name)) + ".html" : options.file;
  LAYERNAS_RETURN_IF_ERROR(WriteOutputFile(file, page));
  context.terminal.out << "wrote " << file << ": " << data.candidates.size() << " candidates, " << data.frontier.size()
                       << " on the frontier; open it in any browser\n";
  return ExitCode::kOk;
}

}  // namespace

void AddReportCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command =
      AddCommand(app, "report", "Write a report of a search with charts, as one HTML file that works offline",
                 {"layernas report shapes10-1", "layernas report shapes10-1 -o report.html && xdg-open report.html"});
  const auto options = std::make_shared<ReportOptions>();
  AddSearchName(command, options->name);
  command.add_option("-o,--output", options->file, "Output file, or - for standard output")
      ->option_text("FILE [NAME.html]");
  AddController(command, context);
  SetAction(command, context, [options, &context] { return Report(context, *options); });
}

}  // namespace layernas::client
