// Evaluates by looking up results that are known: benchmarks, dry runs.
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
  // CSV with a header.
  std::string path;
  // The column with the architecture ids.
  std::string architecture_column;
  struct Metric {
    std::string name;
    // Where there are several (training runs), one is drawn with the task's seed; metrics with equally many columns
    // draw the same position, so that they belong to one run.
    std::vector<std::string> columns;
  };
  std::vector<Metric> metrics;
  // Columns with the reward after epoch 1, 2, …; empty: no progress is reported.
  std::vector<std::string> curve = {};
};

// Immutable, hence thread-safe: loaded once, shared by all slots.
class ResultTable {
 public:
  // Errors name file and line, or the columns that there are.
  static absl::StatusOr<std::shared_ptr<const ResultTable>> Load(const TableOptions& options);

  // Nothing if the architecture is not in the table.
  std::optional<Metrics> Find(const std::string& architecture_id, std::uint32_t seed) const;

  // Why Find returns nothing, in words. Names an id of the table that differs in leading zeros alone: programs such as
  // pandas read ids as numbers and lose them.
  std::string DescribeMissing(const std::string& architecture_id) const;

  // The rewards after epoch 1, 2, …; empty if the architecture is not in the table, or the table has none.
  std::span<const double> Curve(const std::string& architecture_id) const;

  std::size_t size() const { return rows_.size(); }

 private:
  // The table's id that differs from this one in leading zeros alone; nothing if there is none.
  std::optional<std::string> FindWithOtherZeros(const std::string& architecture_id) const;

  ResultTable(std::vector<TableOptions::Metric> metrics, std::size_t epochs)
      : metrics_(std::move(metrics)), epochs_(epochs) {}

  const std::vector<TableOptions::Metric> metrics_;
  const std::size_t epochs_;
  std::size_t longest_id_ = 0;
  // The cells of all metrics' columns, in their order, and of the curve, by architecture.
  std::unordered_map<std::string, std::vector<double>> rows_;
};

// Each evaluation takes `delay`, in the course of which it reports its epochs. An architecture that is not in the table
// is infeasible.
class TabularEvaluator final : public Evaluator {
 public:
  TabularEvaluator(std::shared_ptr<const ResultTable> table, Millis delay) : table_(std::move(table)), delay_(delay) {}

  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override;

 private:
  // Less where it is asked to stop.
  static void Wait(Millis time, const std::stop_token& stop);

  const std::shared_ptr<const ResultTable> table_;
  const Millis delay_;
};

}  // namespace layernas
