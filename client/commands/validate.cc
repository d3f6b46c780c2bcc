#include "common/spec/validate.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands/checks.h"
#include "client/commands/command.h"
#include "client/output/json.h"
#include "client/output/units.h"

namespace layernas::client {
namespace {

struct ValidateOptions {
  std::string spec;
  // A cost table, or empty.
  std::string costs;
  OutputFormat output = OutputFormat::kTable;
  int workers = 1;
  // 0 = unknown.
  double seconds_per_training = 0;
};

// Maximum work for training the winners.
struct WinnersWork {
  int trainings = 0;
  int epochs = 0;
  // Equivalent number of trainings of the search, which may have fewer epochs.
  double in_trainings = 0;
};

// `spec` must have its defaults.
WinnersWork WorkOfWinners(const v1::SearchSpec& spec) {
  if (!spec.has_final()) return {};
  const v1::Final& final = spec.final();
  const int in_search = spec.evaluation().train().epochs();
  WinnersWork work;
  work.trainings = final.per_target() * std::max(1, spec.objective().targets_size()) * final.seeds();
  work.epochs = final.epochs();
  work.in_trainings = work.trainings * (in_search > 0 ? static_cast<double>(work.epochs) / in_search : 1);
  return work;
}

// Trainings that run at the same time.
int Running(const v1::SearchSpec& spec, const ValidateOptions& options) {
  const int most = spec.sharing().max_running();
  return most > 0 ? std::min(options.workers, most) : options.workers;
}

// Returns the longest duration of the search with its winners. Nothing if it is practically
// unlimited.
std::optional<double> MostSeconds(const v1::SearchSpec& spec, const v1::SpecSummary& summary,
                                  const ValidateOptions& options) {
  constexpr double kCentury = 100.0 * 365 * 24 * 3600;
  const double trainings = static_cast<double>(summary.most_trainings()) + WorkOfWinners(spec).in_trainings;
  const double seconds = trainings * options.seconds_per_training / Running(spec, options);
  if (summary.most_trainings() > 0 && seconds < kCentury) return seconds;
  return std::nullopt;
}

void PrintTime(std::ostream& out, const v1::SearchSpec& spec, const v1::SpecSummary& summary,
               const ValidateOptions& options) {
  std::string fleet = std::to_string(options.workers) + (options.workers == 1 ? " worker" : " workers");
  if (const int running = Running(spec, options); running < options.workers) {
    absl::StrAppend(&fleet, " (", running, " running at most)");
  }
  if (const std::optional<double> seconds = MostSeconds(spec, summary, options); seconds.has_value()) {
    out << "time               at most about "
        << FormatElapsed(std::chrono::seconds(static_cast<std::int64_t>(*seconds))) << " with " << fleet << " at "
        << FormatValue(options.seconds_per_training) << " s per training\n";
  } else {
    out << "time               more than a century with " << fleet << ": set a budget\n";
  }
  if (spec.budget().has_duration()) {
    out << "                   the budget ends it after "
        << FormatElapsed(std::chrono::seconds(spec.budget().duration().seconds())) << '\n';
  }
}

void PrintSummary(std::ostream& out, const SpecFile& file, const v1::SpecSummary& summary,
                  const ValidateOptions& options) {
  const v1::SearchSpec spec = spec::WithDefaults(file.spec);
  out << file.name << " is valid\n";
  out << "search             " << spec.name() << '\n';
  out << "layers             " << summary.layers() << '\n';
  out << "architectures      " << FormatCount(summary.space_size()) << '\n';
  out << "max trainings      "
      << (summary.most_trainings() > 0 ? FormatCount(static_cast<double>(summary.most_trainings())) : "unlimited")
      << '\n';
  if (const WinnersWork winners = WorkOfWinners(spec); winners.trainings > 0) {
    out << "winners            " << winners.trainings << " more trainings at most";
    if (winners.epochs > 0) out << ", of " << winners.epochs << " epochs";
    out << '\n';
  }
  out << "reward             " << spec.objective().reward() << '\n';
  out << "cost               " << spec.objective().cost()
      << (summary.has_cheapest() ? ", known per layer" : ", measured for each architecture") << '\n';
  if (summary.has_cheapest()) {
    out << "cost range         " << FormatValue(summary.cheapest()) << " to " << FormatValue(summary.dearest()) << '\n';
  }
  if (options.seconds_per_training > 0) PrintTime(out, spec, summary, options);
}

// The estimate of the duration, if it was asked for.
nlohmann::ordered_json TimeJson(const v1::SearchSpec& spec, const v1::SpecSummary& summary,
                                const ValidateOptions& options) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (options.seconds_per_training <= 0) return json;
  json["workers"] = options.workers;
  json["seconds_per_training"] = options.seconds_per_training;
  const std::optional<double> seconds = MostSeconds(spec, summary, options);
  json["most_seconds"] = seconds.has_value() ? nlohmann::ordered_json(*seconds) : nlohmann::ordered_json(nullptr);
  return json;
}

}  // namespace

void AddValidateCommand(CLI::App& app, CommandContext& context) {
  CLI::App& command =
      AddCommand(app, "validate", "Check a spec file and show the size of its search; needs no controller",
                 {"layernas validate spec.yaml", "layernas validate spec.yaml --workers 8 --seconds-per-training 90"});
  const auto options = std::make_shared<ValidateOptions>();
  command.add_option("SPEC", options->spec, "Spec file, or - for standard input")->required();
  AddCosts(command, options->costs);
  AddOutput(command, options->output, {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kYaml});
  command.add_option("--workers", options->workers, "Concurrent trainings, to estimate the duration")
      ->check(CLI::Range(1, 1'000'000))
      ->option_text("N [1]");
  command
      .add_option("--seconds-per-training", options->seconds_per_training,
                  "Duration of one training in seconds, to estimate the duration of the search")
      ->check(AboveZero())
      ->option_text("S");
  SetAction(command, context, [options, &context]() -> absl::StatusOr<ExitCode> {
    const SpecFile file = ReadSpecFile(options->spec, options->costs);
    if (ReportMistakes(context.terminal, file)) return ExitCode::kUsage;
    const v1::SpecSummary summary = spec::Summarize(file.spec);
    if (IsForPrograms(options->output)) {
      PrintMessage(context.terminal.out, summary, TimeJson(spec::WithDefaults(file.spec), summary, *options),
                   options->output);
    } else {
      PrintSummary(context.terminal.out, file, summary, *options);
    }
    return ExitCode::kOk;
  });
}

}  // namespace layernas::client
