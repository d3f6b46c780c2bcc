#include "worker/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_split.h"
#include "common/base/duration.h"
#include "common/base/status_macros.h"
#include "common/base/task_limits.h"
#include "common/base/utf8.h"
#include "common/base/weights_dir.h"
#include "common/base/wire_name.h"
#include "common/build_info/build_info.h"
#include "common/cli/configuration.h"
#include "common/cli/security_flags.h"
#include "common/help/help_formatter.h"
#include "common/process/command_line.h"
#include "common/process/replace_file.h"

namespace layernas {
namespace {

// The option values as text, before they are parsed.
struct Flags {
  std::string controller = "127.0.0.1:7060";
  rpc::ChannelSecurity security;
  std::string id;
  int slots = 1;
  std::vector<std::string> labels;
  std::string evaluator = "exec";
  std::string command;
  std::string grace = "5s";
  std::string table;
  std::string architecture_column = "arch";
  std::vector<std::string> metrics;
  std::vector<std::string> curve;
  std::string weights_dir = DefaultWeightsDir();
  // True also if the given directory is empty.
  bool is_weights_dir_given = false;
  std::string delay = "0s";
  std::string metrics_listen = "127.0.0.1:0";
  std::string ready_file;
  std::string log_level = "info";
};

absl::Status Invalid(const std::string& flag, const std::string& why) {
  return absl::InvalidArgumentError(flag + ": " + why);
}

// Prefixes an error with the flag's name.
template <typename T>
absl::StatusOr<T> For(const std::string& flag, absl::StatusOr<T> value) {
  if (value.ok()) return value;
  return absl::Status(value.status().code(), flag + ": " + std::string(value.status().message()));
}

// Splits "KEY=VALUE". Neither part may be empty.
absl::StatusOr<std::pair<std::string, std::string>> SplitPair(const std::string& flag, const std::string& text,
                                                              const std::string& form) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return Invalid(flag, "\"" + text + "\" is not of the form " + form);
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

// Prefixes what is wrong with the name with the flag and, if the flag has several parts, with the
// part.
absl::Status CheckName(const std::string& flag, const std::string& what, std::string_view name) {
  const std::string why = WhyNoName(name);
  return why.empty() ? absl::OkStatus() : Invalid(flag, (what.empty() ? "" : what + " ") + why);
}

absl::Status CheckCount(const std::string& flag, std::size_t count, std::size_t max) {
  if (count <= max) return absl::OkStatus();
  return Invalid(flag, std::to_string(count) + " given; the maximum is " + std::to_string(max));
}

// Controllers refuse every call of a worker whose labels exceed a limit, so the worker checks them
// at its start.
absl::StatusOr<std::map<std::string, std::string>> ParseLabels(const std::vector<std::string>& texts) {
  LAYERNAS_RETURN_IF_ERROR(CheckCount("--label", texts.size(), kMaxLabels));
  std::map<std::string, std::string> labels;
  for (const std::string& text : texts) {
    LAYERNAS_ASSIGN_OR_RETURN(auto label, SplitPair("--label", text, "KEY=VALUE"));
    const std::string quoted = "\"" + Printable(label.first) + "\"";
    LAYERNAS_RETURN_IF_ERROR(CheckName("--label", "the key " + quoted, label.first));
    LAYERNAS_RETURN_IF_ERROR(CheckName("--label", "the value of " + quoted, label.second));
    if (!labels.insert(label).second) return Invalid("--label", label.first + " is given twice");
  }
  return labels;
}

std::string DefaultId() {
  char host[256] = "worker";
  gethostname(host, sizeof(host) - 1);
  return std::string(host).substr(0, kMaxNameBytes - 16) + "-" + std::to_string(getpid());
}

// Splits names of columns at commas. None may be empty, because a table may have a column without a
// name: the index that pandas writes.
absl::StatusOr<std::vector<std::string>> SplitColumns(const std::string& flag, const std::string& what,
                                                      const std::string& text) {
  std::vector<std::string> columns = absl::StrSplit(text, ',');
  if (std::find(columns.begin(), columns.end(), "") == columns.end()) return columns;
  return Invalid(flag, what + " has an empty column name");
}

absl::StatusOr<std::vector<TableOptions::Metric>> ParseMetrics(const std::vector<std::string>& texts) {
  LAYERNAS_RETURN_IF_ERROR(CheckCount("--metric", texts.size(), kMaxMetrics));
  std::vector<TableOptions::Metric> metrics;
  for (const std::string& text : texts) {
    LAYERNAS_ASSIGN_OR_RETURN(const auto pair, SplitPair("--metric", text, "NAME=COLUMN[,COLUMN]..."));
    LAYERNAS_RETURN_IF_ERROR(CheckName("--metric", "the name \"" + Printable(pair.first) + "\"", pair.first));
    for (const TableOptions::Metric& metric : metrics) {
      if (metric.name == pair.first) return Invalid("--metric", pair.first + " is given twice");
    }
    LAYERNAS_ASSIGN_OR_RETURN(auto columns, SplitColumns("--metric", pair.first, pair.second));
    metrics.push_back({pair.first, std::move(columns)});
  }
  if (metrics.empty())
    return Invalid("--metric", "--evaluator tabular requires at least one, such as --metric accuracy=test_acc");
  return metrics;
}

absl::StatusOr<std::vector<std::string>> ParseCurve(const std::vector<std::string>& texts) {
  std::vector<std::string> curve;
  for (const std::string& text : texts) {
    LAYERNAS_ASSIGN_OR_RETURN(const auto columns, SplitColumns("--curve", "\"" + text + "\"", text));
    curve.insert(curve.end(), columns.begin(), columns.end());
  }
  return curve;
}

absl::StatusOr<ExecOptions> ParseExec(const Flags& flags) {
  ExecOptions exec;
  if (flags.command.empty()) {
    std::error_code error;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
    exec.argv = {(self.parent_path() / "layernas-trainer").string()};
  } else {
    LAYERNAS_ASSIGN_OR_RETURN(exec.argv, For("--command", SplitCommand(flags.command)));
  }
  LAYERNAS_ASSIGN_OR_RETURN(exec.grace, For("--evaluator-grace", ParseDuration(flags.grace)));
  // Check the program now, instead of failing on each of the first candidates.
  if (const absl::Status found = CheckProgram(exec.argv.front()); !found.ok()) {
    return absl::Status(found.code(), "--command: " + std::string(found.message()));
  }
  return exec;
}

// Checks the folder now, instead of failing when the last training has ended. If the default folder
// cannot be used, the worker starts without it.
absl::Status SetWeightsDir(const Flags& flags, WorkerOptions& options) {
  if (flags.weights_dir.empty()) {
    if (!flags.is_weights_dir_given) {
      options.weights_fault = "no default directory: neither XDG_DATA_HOME nor HOME is an absolute path";
    }
    return absl::OkStatus();
  }
  std::error_code error;
  const std::string folder = std::filesystem::absolute(flags.weights_dir, error).lexically_normal().string();
  if (error) {
    return absl::FailedPreconditionError("--weights-dir: cannot determine the current directory: " + error.message() +
                                         "; give an absolute path");
  }
  absl::Status usable = CheckFolder(folder);
  // Results carry the paths of networks.
  if (const std::string why = WhyNoText(folder); !why.empty()) {
    usable = absl::InvalidArgumentError("the path " + Printable(folder, Unprintable::kEscape) + " " + why);
  }
  if (usable.ok()) {
    options.weights_dir = folder;
  } else if (!flags.is_weights_dir_given) {
    options.weights_fault = std::string(usable.message());
  } else {
    return absl::Status(usable.code(), "--weights-dir: " + std::string(usable.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkerOptions> ToOptions(const Flags& flags) {
  WorkerOptions options;
  LAYERNAS_ASSIGN_OR_RETURN(options.controller, For("--controller", rpc::ParseAddress(flags.controller)));
  LAYERNAS_ASSIGN_OR_RETURN(options.metrics_listen, For("--metrics-listen", rpc::ParseAddress(flags.metrics_listen)));
  options.security = flags.security;
  options.agent.worker_id = flags.id.empty() ? DefaultId() : flags.id;
  LAYERNAS_RETURN_IF_ERROR(CheckName("--id", "", options.agent.worker_id));
  options.agent.slots = flags.slots;
  LAYERNAS_ASSIGN_OR_RETURN(options.agent.labels, ParseLabels(flags.labels));
  if (flags.evaluator == "exec") {
    // Without this check, the trainer would run for hours although the user wanted a table.
    if (!flags.table.empty() || !flags.metrics.empty()) {
      return Invalid(flags.table.empty() ? "--metric" : "--table", "requires --evaluator tabular");
    }
    const Flags defaults;
    for (const auto& [flag, is_given] :
         {std::pair("--curve", !flags.curve.empty()), std::pair("--delay", flags.delay != defaults.delay),
          std::pair("--architecture-column", flags.architecture_column != defaults.architecture_column)}) {
      if (is_given) return Invalid(flag, "requires --evaluator tabular");
    }
    LAYERNAS_ASSIGN_OR_RETURN(options.exec, ParseExec(flags));
  } else {
    if (!flags.command.empty()) return Invalid("--command", "requires --evaluator exec");
    if (flags.grace != Flags().grace) return Invalid("--evaluator-grace", "requires --evaluator exec");
    if (flags.table.empty()) return Invalid("--table", "--evaluator tabular requires a CSV file");
    LAYERNAS_ASSIGN_OR_RETURN(auto metrics, ParseMetrics(flags.metrics));
    LAYERNAS_ASSIGN_OR_RETURN(auto curve, ParseCurve(flags.curve));
    options.table = TableOptions{flags.table, flags.architecture_column, std::move(metrics), std::move(curve)};
  }
  LAYERNAS_ASSIGN_OR_RETURN(options.delay, For("--delay", ParseDuration(flags.delay)));
  LAYERNAS_RETURN_IF_ERROR(SetWeightsDir(flags, options));
  options.agent.keeps_weights = !options.weights_dir.empty();
  options.ready_file = flags.ready_file;
  options.log_level = flags.log_level;
  return options;
}

}  // namespace

absl::StatusOr<WorkerOptions> ParseOptions(int argc, char** argv) {
  Flags flags;
  CLI::App app("Evaluate architectures for a layernas controller", "layernas-worker");
  app.set_version_flag("--version", VersionText("layernas-worker"));
  app.formatter(std::make_shared<HelpFormatter>());
  app.option_defaults()->always_capture_default();
  app.add_option("--controller", flags.controller, "Address of the controller")->type_name("HOST:PORT");
  app.add_option("--id", flags.id, "Worker name, unique in the fleet (default: host name and process id)")
      ->type_name("NAME");
  app.add_option("--slots", flags.slots, "Maximum concurrent evaluations")->check(CLI::Range(1, 1024));
  app.add_option("--label", flags.labels, "Label that tasks can require; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--evaluator", flags.evaluator,
                 "Evaluate with a program (exec) or with a table of known results (tabular)")
      ->check(CLI::IsMember({"exec", "tabular"}));
  app.add_option("--command", flags.command,
                 "exec: evaluator program and its arguments (default: layernas-trainer in the same directory)")
      ->type_name("COMMAND");
  app.add_option("--evaluator-grace", flags.grace,
                 "exec: time between SIGTERM and SIGKILL, for saving an unfinished training")
      ->type_name("DURATION");
  app.add_option("--table", flags.table, "tabular: CSV file with a header")->type_name("FILE");
  app.add_option("--architecture-column", flags.architecture_column,
                 "tabular: column that contains the architecture ids")
      ->type_name("COLUMN");
  app.add_option("--metric", flags.metrics,
                 "tabular: metric and its column; the task's seed selects one of several columns; repeatable")
      ->type_name("NAME=COLUMN[,COLUMN]...")
      ->allow_extra_args(false);
  app.add_option("--curve", flags.curve, "tabular: columns with the reward after each epoch; reported during --delay")
      ->type_name("COLUMN[,COLUMN]...");
  app.add_option("--delay", flags.delay, "tabular: duration of each evaluation, such as 500ms")->type_name("DURATION");
  app.add_option("--weights-dir", flags.weights_dir, "Directory for the trained networks of winners; '' keeps none")
      ->type_name("DIR");
  app.add_option("--metrics-listen", flags.metrics_listen, "Address for Prometheus; port 0 selects a free port")
      ->type_name("HOST:PORT");
  app.add_option("--ready-file", flags.ready_file,
                 "Write {\"metrics_address\": …} to this file when the worker is ready")
      ->type_name("FILE");
  app.add_option("--log-level", flags.log_level, "Minimum level to log")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  cli::AddSecurityFlags(app, flags.security);
  cli::Configuration configuration(app, {"LAYERNAS_WORKER_CONFIG", {}});
  configuration.AllowEmpty("weights-dir");
  try {
    configuration.Parse({argv + 1, argv + argc});
  } catch (const CLI::ParseError& error) {
    std::exit(cli::PrintAndExitCode(app, error));
  }
  flags.is_weights_dir_given = configuration.IsGiven("weights-dir");
  absl::StatusOr<WorkerOptions> options = ToOptions(flags);
  if (options.ok()) return options;
  return absl::Status(options.status().code(), configuration.Locate(std::string(options.status().message())));
}

}  // namespace layernas
