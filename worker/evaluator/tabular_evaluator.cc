#include "worker/evaluator/tabular_evaluator.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/duration.h"
#include "common/base/random.h"
#include "common/base/read_file.h"
#include "common/base/status_macros.h"
#include "worker/evaluator/csv.h"

namespace layernas {
namespace {

absl::StatusOr<std::size_t> FindColumn(const CsvTable& table, const std::string& path, const std::string& name) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  if (found != table.columns.end() && std::find(found + 1, table.columns.end(), name) != table.columns.end()) {
    return absl::InvalidArgumentError(path + " has two columns \"" + name + "\"");
  }
  if (found != table.columns.end()) return static_cast<std::size_t>(found - table.columns.begin());
  std::string message = path + " has no column \"" + name + "\"; it has";
  for (const std::string& column : table.columns) message += " \"" + column + "\"";
  return absl::InvalidArgumentError(message);
}

// Blanks may surround the number. A number too close to 0 for a double is 0.
absl::StatusOr<double> ParseCell(const std::string& text) {
  double value = 0;
  // Hexadecimal numbers are not allowed.
  const bool is_number = text.find_first_of("xX") == std::string::npos && absl::SimpleAtod(text, &value);
  if (is_number && std::isfinite(value)) return value;
  // Not the word "infinity".
  const bool is_too_large = is_number && std::isinf(value) && text.find_first_of("0123456789") != std::string::npos;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, is_too_large ? "\" is beyond the range of a number" : "\" is not a finite number"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ResultTable>> ResultTable::Load(const TableOptions& options) {
  const std::size_t max_bytes = options.max_mib << 20;
  const absl::StatusOr<std::string> text = ReadFile(options.path, max_bytes + 1);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        "cannot read " + options.path + ": " + std::string(text.status().message()));
  }
  if (text->size() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(options.path, " is larger than ", options.max_mib, " MiB"));
  }
  LAYERNAS_ASSIGN_OR_RETURN(const CsvTable csv, ParseCsv(*text, options.path));
  LAYERNAS_ASSIGN_OR_RETURN(const std::size_t architecture, FindColumn(csv, options.path, options.architecture_column));
  std::vector<std::size_t> columns;
  for (const TableOptions::Metric& metric : options.metrics) {
    for (const std::string& name : metric.columns) {
      LAYERNAS_ASSIGN_OR_RETURN(const std::size_t column, FindColumn(csv, options.path, name));
      columns.push_back(column);
    }
  }
  for (const std::string& name : options.curve) {
    LAYERNAS_ASSIGN_OR_RETURN(const std::size_t column, FindColumn(csv, options.path, name));
    columns.push_back(column);
  }
  // With an empty table, every architecture would be infeasible.
  if (csv.rows.empty()) return absl::InvalidArgumentError(options.path + " has no rows below its header");
  std::shared_ptr<ResultTable> table(new ResultTable(options.metrics, options.curve.size()));
  table->rows_.reserve(csv.rows.size());
  std::unordered_map<std::string, int> first_lines;
  for (const CsvRow& row : csv.rows) {
    const std::string at = options.path + ":" + std::to_string(row.line) + ": ";
    const std::string& id = row.cells[architecture];
    if (id.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(at, "column \"", options.architecture_column, "\" is empty"));
    }
    if (const auto [first, is_new] = first_lines.emplace(id, row.line); !is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat(at, "architecture \"", id, "\" is already in line ", first->second));
    }
    table->longest_id_ = std::max(table->longest_id_, id.size());
    std::vector<double>& values = table->rows_[id];
    values.reserve(columns.size());
    for (const std::size_t column : columns) {
      const auto value = ParseCell(row.cells[column]);
      if (!value.ok()) {
        return absl::InvalidArgumentError(at + "column \"" + csv.columns[column] +
                                          "\": " + std::string(value.status().message()));
      }
      values.push_back(*value);
    }
  }
  return table;
}

std::optional<Metrics> ResultTable::Find(const std::string& architecture_id, std::uint32_t seed) const {
  const auto row = rows_.find(architecture_id);
  if (row == rows_.end()) return std::nullopt;
  Metrics metrics;
  std::size_t first = 0;
  for (const TableOptions::Metric& metric : metrics_) {
    const std::size_t drawn = RandomStream({seed}).Below(metric.columns.size());
    metrics[metric.name] = row->second[first + drawn];
    first += metric.columns.size();
  }
  return metrics;
}

std::optional<std::string> ResultTable::FindWithOtherZeros(const std::string& architecture_id) const {
  // Keep the last of several zeros: "000" becomes "0".
  const std::size_t first = std::min(architecture_id.find_first_not_of('0'), architecture_id.size() - 1);
  for (std::string id = architecture_id.substr(first); id.size() <= longest_id_; id.insert(0, 1, '0')) {
    if (rows_.contains(id)) return id;
  }
  return std::nullopt;
}

std::string ResultTable::DescribeMissing(const std::string& architecture_id) const {
  const std::string message = "architecture \"" + architecture_id + "\" is not in the table";
  const std::optional<std::string> other = architecture_id.empty() ? std::nullopt : FindWithOtherZeros(architecture_id);
  if (!other) return message;
  const bool table_lost_it = other->size() < architecture_id.size();
  return message +
         (table_lost_it ? "; did the table lose a leading zero? \"" : "; did the id lose a leading zero? \"") + *other +
         "\" is in the table";
}

std::span<const double> ResultTable::Curve(const std::string& architecture_id) const {
  const auto row = rows_.find(architecture_id);
  if (row == rows_.end()) return {};
  return std::span(row->second).last(epochs_);
}

EvaluationOutcome TabularEvaluator::Evaluate(const Evaluation& evaluation, std::stop_token stop,
                                             const std::function<void(const Progress&)>& on_progress) {
  const Millis time = std::min(delay_, evaluation.timeout);
  const std::span<const double> curve = table_->Curve(evaluation.architecture_id);
  const int epochs = static_cast<int>(curve.size());
  for (int epoch = 1; epoch <= epochs && !stop.stop_requested(); ++epoch) {
    Wait(time * epoch / epochs - time * (epoch - 1) / epochs, stop);
    on_progress({epoch, epochs, curve[epoch - 1]});
  }
  if (epochs == 0) Wait(time, stop);
  if (stop.stop_requested()) return EvaluationCancelled{};
  if (delay_ > evaluation.timeout) {
    return EvaluationFailure{EvaluationFailure::Kind::kEvaluator,
                             "no result within the timeout of " + FormatDuration(evaluation.timeout)};
  }
  if (auto metrics = table_->Find(evaluation.architecture_id, evaluation.seed)) return *std::move(metrics);
  return EvaluationFailure{EvaluationFailure::Kind::kInfeasible, table_->DescribeMissing(evaluation.architecture_id)};
}

void TabularEvaluator::Wait(Millis time, const std::stop_token& stop) {
  if (time <= Millis(0)) return;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any never;
  never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace layernas
