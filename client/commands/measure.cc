#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/commands/command.h"
#include "client/lookup/additive_fit.h"
#include "client/lookup/design.h"
#include "client/lookup/design_meter.h"
#include "client/lookup/kept_measurements.h"
#include "client/lookup/measure_progress.h"
#include "client/lookup/network_meter.h"
#include "client/output/table.h"
#include "client/output/units.h"
#include "client/spec/cost_table.h"
#include "client/stop_signal.h"
#include "common/base/version.h"
#include "common/log/log.h"
#include "common/process/command_line.h"
#include "common/spec/counts.h"
#include "common/spec/json.h"
#include "common/spec/resolve.h"
#include "common/spec/validate.h"
#include "worker/evaluator/exec_evaluator.h"

namespace layernas::client {
namespace {

using nlohmann::json;

struct LutOptions {
  std::string spec;
  std::string table;
  // Empty: objective.cost.
  std::string metric;
  // 0: the default, which averages out the noise of each cost (DefaultNetworks).
  int networks = 0;
  int held_out = 30;
  std::uint32_t seed = 1;
  std::string command;
};

// Median error above which the table gets a warning.
constexpr double kLargeError = 0.1;

// Twice the number of unknowns averages out most of the noise; at least 10 more for few unknowns.
int DefaultNetworks(const v1::Space& space) {
  const int unknowns = Unknowns(space);
  return std::max(2 * unknowns, unknowns + 10);
}

std::string HostName() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return host;
}

absl::StatusOr<ExecOptions> FindEvaluator(const CommandContext& context, const std::string& command) {
  ExecOptions exec;
  if (command.empty()) {
    exec.argv = {(std::filesystem::path(context.program_folder) / "layernas-trainer").string()};
  } else {
    auto words = SplitCommand(command);
    if (!words.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--command: ", std::string(words.status().message())));
    }
    exec.argv = std::move(*words);
  }
  const absl::Status found = CheckProgram(exec.argv.front());
  if (!found.ok()) return absl::Status(found.code(), absl::StrCat("--command: ", std::string(found.message())));
  return exec;
}

absl::StatusOr<KeptMeasurements> OpenKept(const std::string& path, const v1::SearchSpec& spec,
                                          const std::vector<std::string>& evaluator) {
  json asked = {{"host", HostName()}, {"evaluator", evaluator}};
  LAYERNAS_ASSIGN_OR_RETURN(asked["space"], spec::ToJson(spec.space()));
  LAYERNAS_ASSIGN_OR_RETURN(asked["measure"], spec::ToJson(spec.evaluation().measure()));
  return KeptMeasurements::Open(path, asked);
}

struct Result {
  AdditiveCosts costs;
  PredictionError error;
  CostScale scale;
  std::vector<Sample> fitted;
  std::vector<Sample> held_out;
};

absl::StatusOr<Result> Fit(const v1::Space& space, const std::string& metric, Measured measured,
                           MeasureProgress& progress, const std::stop_token& stop) {
  LAYERNAS_ASSIGN_OR_RETURN(const CostScale scale, CostScale::Find(metric, measured.metrics));
  Result result{{}, {}, scale, {}, {}};
  for (std::size_t i = 0; i < measured.points.size(); ++i) {
    const DesignPoint& point = measured.points[i];
    const absl::StatusOr<double> cost = scale.CostOf(measured.metrics[i]);
    if (!cost.ok()) {
      // The networks before it lacked the same, so that nothing was missed when it was measured.
      measured.last_reason = std::string(cost.status().message());
      progress.LeftOut(spec::FormatArchitectureId(space, point.choices), measured.last_reason);
      continue;
    }
    (point.held_out ? result.held_out : result.fitted).push_back({point.choices, *cost});
  }
  // Without the reason, an option that no network could have would remain a mystery.
  const auto explain = [&measured](const absl::Status& status) {
    if (measured.last_reason.empty()) return status;
    return absl::Status(status.code(), absl::StrCat(std::string(status.message()),
                                                    "; the last network that was skipped: ", measured.last_reason));
  };
  if (result.held_out.empty()) {
    return explain(absl::FailedPreconditionError("none of the held-out networks could be measured"));
  }
  auto costs = FitAdditiveCosts(space, result.fitted, stop);
  if (!costs.ok()) return explain(costs.status());
  result.costs = std::move(*costs);
  result.error = MeasureError(result.costs, result.held_out);
  return result;
}

// Six digits are readable and far more precise than the measurement.
double Rounded(double value) {
  double rounded = value;
  return absl::SimpleAtod(absl::StrFormat("%.6g", value), &rounded) ? rounded : value;
}

nlohmann::ordered_json Networks(const v1::Space& space, const Result& result) {
  nlohmann::ordered_json networks = nlohmann::ordered_json::array();
  const auto add = [&](const std::vector<Sample>& samples, bool held_out) {
    for (const Sample& sample : samples) {
      networks.push_back({{"architecture", spec::FormatArchitectureId(space, sample.choices)},
                          {"measured", Rounded(sample.cost)},
                          {"predicted", Rounded(result.costs.Predict(sample.choices))},
                          {"held_out", held_out}});
    }
  };
  add(result.fitted, false);
  add(result.held_out, true);
  return networks;
}

CostTable MakeTable(const v1::SearchSpec& spec, const std::string& metric, const Result& result,
                    const Metrics& last_metrics) {
  CostTable table;
  table.metric = metric;
  table.measure = spec.evaluation().measure();
  table.space = spec.space();
  table.space.clear_base_costs();
  (*table.space.mutable_base_costs())[metric] = Rounded(result.costs.base);
  for (int i = 0; i < table.space.layers_size(); ++i) {
    v1::Layer& layer = *table.space.mutable_layers(i);
    for (int j = 0; j < layer.options_size(); ++j) {
      layer.mutable_options(j)->clear_costs();
      (*layer.mutable_options(j)->mutable_costs())[metric] = Rounded(result.costs.options[i][j]);
    }
  }
  const PredictionError& error = result.error;
  table.notes["error"] = {{"of", "networks that the fit has not seen: |predicted - measured| / measured"},
                          {"networks", error.networks},
                          {"median", Rounded(error.median)},
                          {"p90", Rounded(error.p90)},
                          {"worst", Rounded(error.worst)},
                          {"spearman", Rounded(error.spearman)}};
  nlohmann::ordered_json& machine = table.notes["machine"];
  machine["host"] = HostName();
  if (const auto it = last_metrics.find(kFingerprint); it != last_metrics.end()) {
    constexpr double kExact = 1LL << 53;
    if (std::abs(it->second) <= kExact && it->second == std::floor(it->second)) {
      machine["fingerprint"] = static_cast<std::int64_t>(it->second);
    } else {
      machine["fingerprint"] = it->second;
    }
  }
  if (result.scale.quiet_reference_ms() > 0) machine["quiet_reference_ms"] = Rounded(result.scale.quiet_reference_ms());
  table.notes["made_by"] = "layernas " + std::string(Version());
  table.notes["networks"] = Networks(spec.space(), result);
  return table;
}

absl::StatusOr<Result> MeasureAndWrite(const std::string& path, const v1::SearchSpec& spec, const std::string& metric,
                                       const std::vector<DesignPoint>& design, DesignMeter& meter,
                                       MeasureProgress& progress, const std::stop_token& stop) {
  LAYERNAS_ASSIGN_OR_RETURN(const Measured measured, meter.MeasureAll(design, stop));
  LAYERNAS_ASSIGN_OR_RETURN(Result result, Fit(spec.space(), metric, measured, progress, stop));
  LAYERNAS_RETURN_IF_ERROR(WriteCostTable(path, MakeTable(spec, metric, result, measured.metrics.back())));
  return result;
}

std::string Percent(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

void PrintSummary(std::ostream& out, const LutOptions& options, const std::string& metric, const Result& result,
                  std::size_t wanted, std::chrono::seconds elapsed) {
  const std::size_t measured = result.fitted.size() + result.held_out.size();
  out << "networks           " << measured << " in " << FormatElapsed(elapsed) << ": " << result.fitted.size()
      << " fitted, " << result.held_out.size() << " held out";
  if (measured < wanted) out << "; " << wanted - measured << " could not be measured";
  out << "\ncost               " << metric;
  if (result.scale.quiet_reference_ms() > 0) {
    out << " = latency_ratio x " << FormatValue(result.scale.quiet_reference_ms()) << " ms of the reference network";
  }
  const PredictionError& error = result.error;
  out << "\nerror              median " << Percent(error.median) << ", 90 % of networks within " << Percent(error.p90)
      << ", worst " << Percent(error.worst) << '\n'
      << "rank correlation   " << FormatValue(error.spearman) << '\n';
  double highest = result.costs.base;
  for (const auto& layer : result.costs.options) highest += *std::max_element(layer.begin(), layer.end());
  out << "cost range         " << FormatValue(result.costs.base) << " to " << FormatValue(highest) << '\n'
      << "table              " << options.table << '\n';
  if (error.median > kLargeError) {
    out << "Option costs do not add up well in this space: use the table only as a rough estimate, or measure more\n"
           "networks (--networks).\n";
  }
}

// Detects problems that would otherwise appear only after all measurements.
absl::Status CheckTable(const std::string& path, const std::string& spec) {
  std::error_code ignored;
  if (path == "-") {
    return absl::InvalidArgumentError("TABLE: the table cannot go to standard output: name the file to write");
  }
  if (spec != "-" && std::filesystem::equivalent(path, spec, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("TABLE: ", path, " is the spec: name another file to write"));
  }
  if (path.empty()) return absl::InvalidArgumentError("TABLE is empty: name the file to write");
  if (std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat("TABLE: ", path, " is a directory: name the file to write"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> MeasureLut(const CommandContext& context, const LutOptions& options) {
  LAYERNAS_RETURN_IF_ERROR(CheckTable(options.table, options.spec));
  const SpecFile file = ReadSpecFile(options.spec);
  if (ReportMistakes(context.terminal, file)) return ExitCode::kUsage;
  const v1::SearchSpec spec = spec::WithDefaults(file.spec);
  const std::string metric = options.metric.empty() ? spec.objective().cost() : options.metric;
  if (spec::IsCounted(metric)) {
    return absl::InvalidArgumentError(absl::StrCat(metric,
                                                   " need not be measured: set objective.counted, "
                                                   "or add --metric latency_ms for a table of latencies"));
  }
  LAYERNAS_RETURN_IF_ERROR(CheckCostCount(spec.space()));
  const int networks = options.networks > 0 ? options.networks : DefaultNetworks(spec.space());
  LAYERNAS_ASSIGN_OR_RETURN(const std::vector<DesignPoint> design,
                            DrawDesign(spec.space(), networks, options.held_out, options.seed));
  LAYERNAS_ASSIGN_OR_RETURN(ExecOptions exec, FindEvaluator(context, options.command));
  log::Init("layernas", "warning");

  StopSignal stop;
  const StopOnInterrupt interrupt(stop);
  std::stop_source stop_source;
  const StopSignal::Callback on_stop(stop, [&stop_source] { stop_source.request_stop(); });
  const std::string kept_in = options.table + ".partial";
  LAYERNAS_ASSIGN_OR_RETURN(KeptMeasurements kept, OpenKept(kept_in, spec, exec.argv));
  context.terminal.err << "measuring " << design.size() << " networks with " << exec.argv.front();
  if (kept.count() > 0) {
    context.terminal.err << "; " << kept.count() << " were measured before (remove " << kept_in << " to start over)";
  }
  if (!kept.set_aside().empty()) {
    context.terminal.err << "; the measurements in " << kept_in
                         << " are for another spec, evaluator or machine and were moved to " << kept.set_aside();
  }
  context.terminal.err << std::endl;
  ExecEvaluator evaluator(std::move(exec));
  MeasureProgress progress(context.terminal.err, design.size());
  DesignMeter meter(evaluator, spec, metric, kept, progress);
  const absl::StatusOr<Result> result =
      MeasureAndWrite(options.table, spec, metric, design, meter, progress, stop_source.get_token());
  if (!result.ok()) {
    const bool interrupted = absl::IsCancelled(result.status());
    if (interrupted) context.terminal.err << "interrupted: no table was written\n";
    if (absl::IsDataLoss(result.status())) {
      // No run can resume from these measurements.
    } else if (kept.count() > 0) {
      context.terminal.err << kept.count() << " measurements are kept in " << kept_in
                           << "; the next run resumes from them\n";
    } else {
      kept.Remove();
    }
    if (interrupted) return ExitCode::kInterrupted;
    return result.status();
  }
  kept.Remove();
  PrintSummary(context.terminal.out, options, metric, *result, design.size(), progress.elapsed());
  return ExitCode::kOk;
}

void AddLutCommand(CLI::App& measure, CommandContext& context) {
  CLI::App& command = AddCommand(
      measure, "lut",
      "Write a table of option costs on this machine, for --costs; needs no controller.\n"
      "Measures whole networks without training them, fits a cost for each option of each layer, and reports\n"
      "the prediction error",
      {"layernas measure lut spec.yaml laptop.json", "layernas run spec.yaml --costs laptop.json",
       "layernas measure lut spec.yaml laptop.json --metric latency_ratio --held-out 50",
       "layernas measure lut spec.yaml phone.json --command 'python3 measure_on_phone.py'"});
  const auto options = std::make_shared<LutOptions>();
  command.add_option("SPEC", options->spec, "Spec file, or - for standard input")->required();
  command.add_option("TABLE", options->table, "JSON file to write")->required();
  command.add_option("--metric", options->metric, "Cost metric to predict (default: objective.cost of the spec)")
      ->option_text("NAME");
  command
      .add_option("--networks", options->networks,
                  "Networks to fit the costs to (default: twice the number of costs, but at least that number plus 10)")
      ->check(CLI::Range(3, 100'000))
      ->option_text("N");
  command.add_option("--held-out", options->held_out, "Additional networks to determine the prediction error")
      ->check(CLI::Range(5, 100'000))
      ->option_text("N [30]");
  command.add_option("--seed", options->seed, "Seed for drawing the networks")->option_text("N [1]");
  command
      .add_option("--command", options->command,
                  "Evaluator that measures, see docs/evaluators.md (default: layernas-trainer in the same directory)")
      ->option_text("'PROGRAM ARG…'");
  SetAction(command, context, [options, &context] { return MeasureLut(context, *options); });
}

}  // namespace

void AddMeasureCommands(CLI::App& app, CommandContext& context) {
  CLI::App& measure = AddCommand(app, "measure", "Measure networks on this machine without training them",
                                 {"layernas measure lut spec.yaml laptop.json"});
  measure.require_subcommand(1);
  AddLutCommand(measure, context);
}

}  // namespace layernas::client
