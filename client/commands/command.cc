#include "client/commands/command.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/commands/checks.h"
#include "client/output/search_text.h"
#include "common/base/utf8.h"
#include "common/cli/security_flags.h"

namespace layernas::client {
namespace {

constexpr int kMaxMistakesShown = 50;

std::string RandomId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&id, "%08x", random());
  return id;
}

// Adds positions in the file to a message of the controller, which has a line "field: what is
// wrong" per mistake.
std::string LocateInFile(const SpecFile& file, const std::string& message) {
  std::string located;
  for (std::size_t start = 0; start < message.size();) {
    const std::size_t end = std::min(message.find('\n', start), message.size());
    const std::string line = message.substr(start, end - start);
    start = end + 1;
    const std::size_t colon = line.find(": ");
    const std::string field = colon == std::string::npos ? "" : line.substr(0, colon);
    // Other messages can contain colons too. Only a field has a known position.
    const bool is_field = colon == 0 || file.positions.Find(field).line > 0;
    absl::StrAppend(&located, located.empty() ? "" : "\n",
                    is_field ? FormatMistake(file.name, Locate(file, {field, line.substr(colon + 2)})) : line);
  }
  return located;
}

}  // namespace

CLI::App& AddCommand(CLI::App& parent, const std::string& name, const std::string& description,
                     const std::vector<std::string>& examples) {
  CLI::App& command = *parent.add_subcommand(name, description);
  if (!examples.empty()) {
    std::string footer = "Examples:";
    for (const std::string& example : examples) absl::StrAppend(&footer, "\n  ", example);
    command.footer(footer);
  }
  return command;
}

void SetAction(CLI::App& command, CommandContext& context, std::function<absl::StatusOr<ExitCode>()> action) {
  command.callback([&context, action = std::move(action)] { context.action = action; });
}

void AddController(CLI::App& command, CommandContext& context) {
  command.add_option("--controller", context.controller, "Address of the controller")
      ->option_text("HOST:PORT [127.0.0.1:7060] (env LAYERNAS_CONTROLLER)")
      ->capture_default_str()
      ->configurable();
  cli::AddSecurityFlags(command, context.security);
}

void AddOutput(CLI::App& command, OutputFormat& format, const std::vector<OutputFormat>& formats) {
  static const std::map<OutputFormat, std::string> kNames = {{OutputFormat::kTable, "table"},
                                                             {OutputFormat::kJson, "json"},
                                                             {OutputFormat::kCsv, "csv"},
                                                             {OutputFormat::kYaml, "yaml"}};
  std::map<std::string, int> allowed;
  std::string text;
  for (const OutputFormat each : formats) {
    allowed.emplace(kNames.at(each), static_cast<int>(each));
    absl::StrAppend(&text, text.empty() ? "" : "|", kNames.at(each));
  }
  command.add_option("-o,--output", format, "Output format (default: table)")
      ->transform(OneOf(allowed))
      ->option_text(text);
}

void AddCosts(CLI::App& command, std::string& table) {
  command
      .add_option("--costs", table,
                  "Cost table from 'layernas measure lut'; the search takes costs from it instead of measuring them")
      ->option_text("TABLE");
}

void AddSearchName(CLI::App& command, std::string& name) {
  command.add_option("NAME", name, "Name of a search (shapes10-1), or of a spec (shapes10) for its newest search")
      ->required();
}

absl::StatusOr<std::unique_ptr<ControllerConnection>> Connect(const CommandContext& context) {
  return ControllerConnection::Create(context.controller, context.security);
}

bool ReportMistakes(const Terminal& terminal, const SpecFile& file) {
  const int shown = std::min(static_cast<int>(file.mistakes.size()), kMaxMistakesShown);
  for (int i = 0; i < shown; ++i)
    terminal.err << terminal.Shown(FormatMistake(file.name, file.mistakes[i]), Unprintable::kMarkInLines) << '\n';
  const std::size_t more = file.mistakes.size() - shown;
  if (more > 0) terminal.err << terminal.Shown("… and ") << more << " more mistakes\n";
  return !file.mistakes.empty();
}

absl::StatusOr<v1::Search> SubmitSpec(ControllerConnection& connection, const SpecFile& file) {
  v1::CreateSearchRequest request;
  *request.mutable_spec() = file.spec;
  request.set_request_id(RandomId());
  absl::StatusOr<v1::CreateSearchResponse> response = connection.Call(&v1::SearchService::Stub::CreateSearch, request);
  if (absl::IsUnavailable(response.status()) || absl::IsDeadlineExceeded(response.status())) {
    // The answer may be lost. The same request id cannot start a second search.
    response = connection.Call(&v1::SearchService::Stub::CreateSearch, request);
  }
  if (absl::IsInvalidArgument(response.status())) {
    return absl::InvalidArgumentError("the controller rejected the spec:\n" +
                                      LocateInFile(file, std::string(response.status().message())));
  }
  if (!response.ok()) return response.status();
  return response->search();
}

}  // namespace layernas::client
