#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/output/table.h"
#include "common/process/replace_file.h"

// The files of examples/, embedded by CMake.
extern const char kExampleShapes10[];
extern const char kExampleShapes10Blocks[];
extern const char kExampleMobileNetV2[];
extern const char kExampleMobileNetV3Small[];
extern const char kExampleMobileNetV3Large[];
extern const char kExampleNatsBenchSize[];
extern const char kExampleNatsBenchTopology[];
extern const char kExampleNasBenchMacro[];

namespace layernas::client {
namespace {

struct Example {
  const char* name;
  const char* text;
  const char* description;
};

constexpr std::array<Example, 8> kExamples = {{
    {"shapes10", kExampleShapes10, "six blocks for small generated images; needs no data"},
    {"shapes10_blocks", kExampleShapes10Blocks, "four blocks, with an included table of all results"},
    {"mobilenet_v2", kExampleMobileNetV2, "the blocks of MobileNetV2"},
    {"mobilenet_v3_small", kExampleMobileNetV3Small, "the blocks of MobileNetV3 (small)"},
    {"mobilenet_v3_large", kExampleMobileNetV3Large, "the blocks of MobileNetV3 (large)"},
    {"nats_bench_size", kExampleNatsBenchSize, "the widths of NATS-Bench"},
    {"nats_bench_topology", kExampleNatsBenchTopology, "the cells of NATS-Bench"},
    {"nas_bench_macro", kExampleNasBenchMacro, "NAS-Bench-Macro, a benchmark with known results"},
}};

struct InitOptions {
  std::string space;
  std::string name;
  // Empty: named after the spec.
  std::string file;
};

void PrintSpaces(const Terminal& terminal) {
  Table table({"space", "description"});
  for (const Example& example : kExamples) table.AddRow({Cell::Text(example.name), Cell::Text(example.description)});
  table.Print(terminal.out, terminal.color);
  terminal.out << "write a spec with: layernas init SPACE\n";
}

// Replaces the line "name: …" of the spec.
std::string WithName(std::string text, const std::string& name) {
  const std::size_t begin = text.find("\nname: ") + 1;
  return text.replace(begin, text.find('\n', begin) - begin, absl::StrCat("name: ", name));
}

absl::StatusOr<ExitCode> Init(const CommandContext& context, const InitOptions& options) {
  if (options.space.empty()) {
    PrintSpaces(context.terminal);
    return ExitCode::kOk;
  }
  const auto example =
      std::find_if(kExamples.begin(), kExamples.end(), [&](const Example& each) { return options.space == each.name; });
  if (example == kExamples.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown example '", options.space, "'; 'layernas init' lists the examples"));
  }
  std::string text = example->text;
  if (!options.name.empty()) {
    text = WithName(std::move(text), options.name);
    const SpecFile file = ReadSpecText(options.name, text);
    if (!file.ok()) return absl::InvalidArgumentError(absl::StrCat("--name: ", file.mistakes.front().message));
  }
  if (options.file == "-") {
    context.terminal.out << text;
    return ExitCode::kOk;
  }
  const std::string file =
      !options.file.empty() ? options.file : absl::StrCat(options.name.empty() ? options.space : options.name, ".yaml");
  const absl::Status written = WriteNewFile(file, text);
  if (absl::IsAlreadyExists(written)) {
    return absl::AlreadyExistsError(absl::StrCat(file, " already exists; choose another file with -o"));
  }
  LAYERNAS_RETURN_IF_ERROR(written);
  context.terminal.out << "wrote " << file << "\ncheck it with: layernas validate " << file
                       << "\nrun it with:   layernas run " << file << '\n';
  return ExitCode::kOk;
}

}  // namespace

void AddInitCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command =
      AddCommand(app, "init", "Write an example spec, or list the examples",
                 {"layernas init", "layernas init shapes10", "layernas init mobilenet_v2 --name phone -o phone.yaml"});
  const auto options = std::make_shared<InitOptions>();
  command.add_option("SPACE", options->space, "Name of the example (default: list all examples)");
  command.add_option("--name", options->name, "Name of the search (default: the example's)")->option_text("NAME");
  command.add_option("-o,--output", options->file, "Output file, or - for standard output")
      ->option_text("FILE [NAME.yaml]");
  SetAction(command, context, [options, &context] { return Init(context, *options); });
}

}  // namespace layernas::client
