// An evaluator that looks up known results, for benchmarks and dry runs.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

struct TableOptions {
  // The path of a CSV file with a header.
  std::string path;
  // The column with the architecture ids.
  std::string architecture_column;
  struct Metric {
    std::string name;
    // If there are several columns (of several training runs), the task's seed selects one. Metrics
    // with the same number of columns use the same position, so that their values come from one
    // run.
    std::vector<std::string> columns;
  };
  std::vector<Metric> metrics;
  // The columns with the reward after epoch 1, 2, …. Empty: no progress is reported.
  std::vector<std::string> curve = {};
  // The maximum size of the file, which may be a pipe or a device that never ends.
  std::size_t max_mib = 1024;
};

// Immutable, hence thread-safe: loaded once and shared by all slots.
class ResultTable {
 public:
  // Errors name the file and line, or the existing columns.
  static absl::StatusOr<std::shared_ptr<const ResultTable>> Load(const TableOptions& options);

  // Returns nothing if the architecture is not in the table.
  std::optional<Metrics> Find(const std::string& architecture_id, std::uint32_t seed) const;

  // Explains why Find() returns nothing. If the table has an id that differs only in leading zeros,
  // the text names it: programs such as pandas read ids as numbers, which drops leading zeros.
  std::string DescribeMissing(const std::string& architecture_id) const;

  // Returns the rewards after epoch 1, 2, …. Empty if the architecture is not in the table, or the
  // table has no rewards.
  std::span<const double> Curve(const std::string& architecture_id) const;

  std::size_t size() const { return rows_.size(); }

 private:
  // Returns the table's id that differs from this one only in leading zeros, if there is one.
  std::optional<std::string> FindWithOtherZeros(const std::string& architecture_id) const;

  ResultTable(std::vector<TableOptions::Metric> metrics, std::size_t epochs)
      : metrics_(std::move(metrics)), epochs_(epochs) {}

  const std::vector<TableOptions::Metric> metrics_;
  const std::size_t epochs_;
  std::size_t longest_id_ = 0;
  // For each architecture: the cells of all metrics' columns, in their order, and then those of the
  // curve.
  std::unordered_map<std::string, std::vector<double>> rows_;
};

// Each evaluation takes `delay` and reports its epochs meanwhile. An architecture that is not in
// the table is infeasible.
class TabularEvaluator final : public Evaluator {
 public:
  TabularEvaluator(std::shared_ptr<const ResultTable> table, Millis delay) : table_(std::move(table)), delay_(delay) {}

  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override;

 private:
  // Waits, but returns early if a stop is requested.
  static void Wait(Millis time, const std::stop_token& stop);

  const std::shared_ptr<const ResultTable> table_;
  const Millis delay_;
};

}  // namespace layernas
