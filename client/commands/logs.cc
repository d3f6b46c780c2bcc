#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/commands/checks.h"
#include "client/commands/command.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/output/units.h"

namespace layernas::client {
namespace {

struct LogsOptions {
  std::string search;
  std::string candidate;
  int attempt = 0;
  OutputFormat output = OutputFormat::kTable;
};

// Accepts "7" and "searches/shapes10-1/candidates/7".
absl::StatusOr<std::string> CandidateName(const std::string& search, const std::string& written) {
  const std::string folder = absl::StrCat(search, "/candidates/");
  std::uint64_t number = 0;
  if (!absl::SimpleAtoi(written.substr(written.starts_with(folder) ? folder.size() : 0), &number) || number == 0) {
    return absl::InvalidArgumentError(absl::StrCat("\"", Printable(written), "\" is not a candidate of ",
                                                   ShortName(search),
                                                   "; 'layernas search candidates' lists the numbers"));
  }
  return absl::StrCat(folder, number);
}

// Prints lines of unknown origin in a form that is safe on a terminal.
void PrintLines(const Terminal& terminal, std::string_view text) {
  if (!terminal.IsScreen()) {
    terminal.out << text;
    return;
  }
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    terminal.out << Printable(absl::StrReplaceAll(std::string(text.substr(0, end)), {{"\t", "    "}})) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

absl::StatusOr<ExitCode> Logs(const CommandContext& context, const LogsOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string search, FindSearch(*connection, options.search));
  v1::GetTaskLogRequest request;
  LAYERNAS_ASSIGN_OR_RETURN(*request.mutable_name(), CandidateName(search, options.candidate));
  request.set_attempt(options.attempt);
  LAYERNAS_ASSIGN_OR_RETURN(const v1::GetTaskLogResponse response,
                            connection->Call(&v1::SearchService::Stub::GetTaskLog, request));
  if (IsForPrograms(options.output)) {
    PrintMessage(context.terminal.out, response, options.output);
    return ExitCode::kOk;
  }
  std::ostream& err = context.terminal.err;
  err << "candidate " << ShortName(request.name()) << " of " << context.terminal.Shown(ShortName(search))
      << ", attempt " << response.attempt();
  if (response.attempts_size() > 1) err << " (of attempts " << absl::StrJoin(response.attempts(), ", ") << ')';
  err << ", by " << Printable(response.worker()) << ", " << FormatTime(response.time()) << '\n';
  if (response.log().omitted_bytes() > 0) {
    err << context.terminal.Shown("… ") << response.log().omitted_bytes() << " earlier bytes were not kept\n";
  }
  err << std::flush;
  PrintLines(context.terminal, response.log().tail());
  return ExitCode::kOk;
}

}  // namespace

void AddLogsCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command =
      AddCommand(search, "logs", "Show the standard error of a candidate's evaluator; only the end if it is long",
                 {"layernas search logs shapes10-1 7", "layernas search logs shapes10-1 7 --attempt 1",
                  "layernas search candidates shapes10-1"});
  const auto options = std::make_shared<LogsOptions>();
  AddSearchName(command, options->search);
  command.add_option("CANDIDATE", options->candidate, "Number of the candidate, see 'layernas search candidates'")
      ->required();
  command.add_option("--attempt", options->attempt, "Number of the attempt; 0 = the latest attempt with a log")
      ->check(WholeNumber(0))
      ->option_text("N [0]");
  AddOutput(command, options->output, {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kYaml});
  AddController(command, context);
  SetAction(command, context, [options, &context] { return Logs(context, *options); });
}

}  // namespace layernas::client
