#include <cerrno>
#include <cstddef>
#include <cstdint>
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
#include "client/output/units.h"
#include "common/base/read_line.h"
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
// A table is printed when all of its columns' widths are known, so that all rows must fit in memory.
constexpr std::size_t kMaxTableRows = 100'000;
// Longest line in a file of architectures, in bytes.
constexpr std::size_t kMaxLine = 1 << 20;
// Lines and architectures that cannot be counted and are named on standard error.
constexpr std::int64_t kMaxNamed = 10;

using Visit = std::function<absl::Status(const spec::Choices&)>;

// Names on standard error what cannot be counted, so that it costs nothing else.
class Failures {
 public:
  explicit Failures(const Terminal& terminal) : terminal_(terminal) {}

  // A line that is not an architecture.
  void AddLine(const std::string& message) {
    code_ = ExitCode::kUsage;
    Add(message);
  }
  void AddArchitecture(const std::string& id, const absl::Status& why) {
    if (code_ == ExitCode::kOk) code_ = ExitCode::kError;
    Add(absl::StrCat("architecture ", id, ": ", std::string(why.message())));
  }

  // Returns the exit code of the command.
  ExitCode Finish() {
    if (failed_ > kMaxNamed) {
      terminal_.err << "layernas: " << failed_ - kMaxNamed << " more architectures cannot be counted\n";
    }
    return code_;
  }

 private:
  void Add(const std::string& message) {
    if (++failed_ <= kMaxNamed) terminal_.err << "layernas: " << terminal_.Shown(message) << '\n';
  }

  const Terminal& terminal_;
  std::int64_t failed_ = 0;
  ExitCode code_ = ExitCode::kOk;
};

// Visits all architectures; the options of the last layer vary fastest.
absl::Status VisitAll(const v1::Space& space, const Visit& visit) {
  const double size = spec::SpaceSize(space);
  if (size > kMaxArchitectures) {
    return absl::InvalidArgumentError(absl::StrCat("the space has ", FormatCount(size), " architectures, more than ",
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

absl::Status VisitFile(const std::string& path, const v1::Space& space, const Visit& visit, Failures& failures) {
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
  for (std::int64_t number = 1; ReadLine(in, line, kMaxLine); ++number) {
    if (line.size() > kMaxLine) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": longer than ", kMaxLine, " bytes: write one id per line"));
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const auto choices = spec::ParseArchitectureId(space, line);
    if (!choices) {
      failures.AddLine(absl::StrCat(path, ":", number, ": \"", Printable(line),
                                    "\" is not an architecture of the space: write one id per line, such as ",
                                    spec::FormatArchitectureId(space, spec::DefaultChoices(space))));
      continue;
    }
    LAYERNAS_RETURN_IF_ERROR(visit(*choices));
  }
  return in.bad() ? absl::UnknownError(absl::StrCat("cannot read ", path)) : absl::OkStatus();
}

absl::Status VisitWanted(const std::string& wanted, const v1::Space& space, const Visit& visit, Failures& failures) {
  if (wanted.empty()) return visit(spec::DefaultChoices(space));
  if (wanted == "all") return VisitAll(space, visit);
  return VisitFile(wanted, space, visit, failures);
}

// Counts that are printed one by one: CSV and JSON at once, because there can be millions, and the
// rows of a table at the end.
class CountPrinter {
 public:
  CountPrinter(const Terminal& terminal, OutputFormat format) : terminal_(terminal), format_(format) {
    if (format_ == OutputFormat::kCsv) terminal_.out << "architecture,params,multiply_adds\n";
    if (format_ == OutputFormat::kJson) terminal_.out << "{\"counts\": [";
  }

  absl::Status Add(const std::string& id, const network::Counts& counts) {
    std::ostream& out = terminal_.out;
    switch (format_) {
      case OutputFormat::kCsv:
        out << id << ',' << counts.params << ',' << counts.multiply_adds << '\n';
        return absl::OkStatus();
      case OutputFormat::kJson:
        out << std::exchange(separator_, ",\n") << R"(  {"architecture": ")" << id << R"(", "params": )"
            << counts.params << R"(, "multiply_adds": )" << counts.multiply_adds << '}';
        return absl::OkStatus();
      default:
        if (++rows_ > kMaxTableRows) {
          return absl::InvalidArgumentError(
              absl::StrCat("a table can have at most ", kMaxTableRows, " rows: add -o csv or -o json"));
        }
        table_.AddRow({Cell::Text(id), Cell::Count(static_cast<double>(counts.params)),
                       Cell::Count(static_cast<double>(counts.multiply_adds))});
        return absl::OkStatus();
    }
  }

  void Finish() {
    if (format_ == OutputFormat::kJson) terminal_.out << "\n]}\n";
    if (format_ == OutputFormat::kTable) table_.Print(terminal_.out, terminal_.color);
  }

 private:
  const Terminal& terminal_;
  const OutputFormat format_;
  const char* separator_ = "\n";
  Table table_{{"architecture", "params", "multiply_adds"}};
  std::size_t rows_ = 0;
};

// A line that is not an architecture, and an architecture that cannot be built, are named on
// standard error, and the others are counted.
absl::StatusOr<ExitCode> PrintCounts(const Terminal& terminal, const CountOptions& options, const v1::Space& space) {
  const spec::ArchitectureCounter counter(space);
  CountPrinter printer(terminal, options.output);
  Failures failures(terminal);
  const Visit count = [&](const spec::Choices& choices) {
    // Nobody reads the rest.
    if (!terminal.out) return absl::CancelledError();
    const std::string id = spec::FormatArchitectureId(space, choices);
    const auto counts = counter.Count(choices);
    if (counts.ok()) return printer.Add(id, *counts);
    failures.AddArchitecture(id, counts.status());
    return absl::OkStatus();
  };
  const absl::Status visited = VisitWanted(options.architectures, space, count, failures);
  // The caller reports lost output.
  if (absl::IsCancelled(visited)) return ExitCode::kError;
  // What JSON has printed must be a document even if an error ends it.
  if (visited.ok() || options.output == OutputFormat::kJson) printer.Finish();
  const ExitCode code = failures.Finish();
  LAYERNAS_RETURN_IF_ERROR(visited);
  return code;
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
    return PrintCounts(context.terminal, *options, file.spec.space());
  });
}

}  // namespace layernas::client
