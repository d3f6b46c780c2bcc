#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/output/table.h"
#include "common/spec/counts.h"
#include "common/spec/resolve.h"

namespace layernas::client {
namespace {

struct CountOptions {
  std::string spec;
  // A file, "-", "all", or empty for the default architecture.
  std::string architectures;
  OutputFormat output = OutputFormat::kTable;
};

// Limits the output of an accidental `all`.
constexpr double kMaxArchitectures = 10'000'000;

using Visit = std::function<absl::Status(const spec::Choices&)>;

// Visits all architectures; the options of the last layer vary fastest.
absl::Status VisitAll(const v1::Space& space, const Visit& visit) {
  const double size = spec::SpaceSize(space);
  if (size > kMaxArchitectures) {
    return absl::InvalidArgumentError(absl::StrCat("the space has ", size, " architectures, more than ",
                                                   kMaxArchitectures, ": list the architectures to count in a file"));
  }
  spec::Choices choices(static_cast<std::size_t>(space.layers_size()));
  while (true) {
    LAYERNAS_RETURN_IF_ERROR(visit(choices));
    std::size_t layer = choices.size();
    while (layer > 0 && ++choices[layer - 1] == space.layers(static_cast<int>(layer) - 1).options_size()) {
      choices[--layer] = 0;
    }
    if (layer == 0) return absl::OkStatus();
  }
}

absl::Status VisitFile(const std::string& path, const v1::Space& space, const Visit& visit) {
  std::ifstream file;
  if (path != "-") {
    // Other problems are reported when the file is opened.
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
      return absl::InvalidArgumentError("cannot read " + path +
                                        ": it is a directory; give a file with one id per line");
    }
    file.open(path);
    if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::string line;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const auto choices = spec::ParseArchitectureId(space, line);
    if (!choices) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": \"", Printable(line),
                       "\" is not an architecture of the space: write one id per line, such as ",
                       spec::FormatArchitectureId(space, spec::DefaultChoices(space))));
    }
    LAYERNAS_RETURN_IF_ERROR(visit(*choices));
  }
  return in.bad() ? absl::UnknownError(absl::StrCat("cannot read ", path)) : absl::OkStatus();
}

absl::Status VisitWanted(const std::string& wanted, const v1::Space& space, const Visit& visit) {
  if (wanted.empty()) return visit(spec::DefaultChoices(space));
  if (wanted == "all") return VisitAll(space, visit);
  return VisitFile(wanted, space, visit);
}

// Writes CSV and JSON line by line, because there can be millions of lines.
absl::Status PrintCounts(const Terminal& terminal, const CountOptions& options, const v1::Space& space) {
  const spec::ArchitectureCounter counter(space);
  Table table({"architecture", "params", "multiply_adds"});
  std::ostream& out = terminal.out;
  const bool json = options.output == OutputFormat::kJson;
  const bool csv = options.output == OutputFormat::kCsv;
  if (csv) out << "architecture,params,multiply_adds\n";
  if (json) out << "{\"counts\": [";
  const char* separator = "\n";
  const absl::Status status = VisitWanted(options.architectures, space, [&](const spec::Choices& choices) {
    const std::string id = spec::FormatArchitectureId(space, choices);
    const auto counts = counter.Count(choices);
    if (!counts.ok()) {
      return absl::Status(counts.status().code(),
                          absl::StrCat("architecture ", id, ": ", std::string(counts.status().message())));
    }
    if (csv) {
      out << id << ',' << counts->params << ',' << counts->multiply_adds << '\n';
    } else if (json) {
      out << std::exchange(separator, ",\n") << R"(  {"architecture": ")" << id << R"(", "params": )" << counts->params
          << R"(, "multiply_adds": )" << counts->multiply_adds << '}';
    } else {
      table.AddRow({Cell::Text(id), Cell::Count(static_cast<double>(counts->params)),
                    Cell::Count(static_cast<double>(counts->multiply_adds))});
    }
    return absl::OkStatus();
  });
  if (json) out << "\n]}\n";
  if (!json && !csv && status.ok()) table.Print(out, terminal.color);
  return status;
}

}  // namespace

void AddCountCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command =
      AddCommand(app, "count", "Count parameters and multiply-adds of architectures; needs no controller",
                 {"layernas count spec.yaml", "layernas count spec.yaml --architectures ids.txt -o json",
                  "layernas count spec.yaml --architectures all -o csv"});
  const auto options = std::make_shared<CountOptions>();
  command.add_option("SPEC", options->spec, "Spec file, or - for standard input")->required();
  command
      .add_option("--architectures", options->architectures,
                  "File with one architecture id per line, - for standard input, or all (default: only the space's "
                  "default architecture)")
      ->option_text("FILE|all");
  AddOutput(command, options->output, {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv});
  SetAction(command, context, [options, &context]() -> absl::StatusOr<ExitCode> {
    if (options->spec == "-" && options->architectures == "-") {
      return absl::InvalidArgumentError("SPEC and --architectures cannot both be read from standard input");
    }
    const SpecFile file = ReadSpecFile(options->spec);
    if (ReportMistakes(context.terminal, file)) return ExitCode::kUsage;
    LAYERNAS_RETURN_IF_ERROR(PrintCounts(context.terminal, *options, file.spec.space()));
    return ExitCode::kOk;
  });
}

}  // namespace layernas::client
