// Frontiers as text and as CSV.
#pragma once

#include <cmath>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/terminal.h"
#include "layernas/v1/search.pb.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

// Prints the best point per target, then the frontier. With `layers`, also the chosen option of
// each layer.
void PrintFrontier(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                   bool layers);

// Prints the winners, or that there are none although the search trained for them. Nothing for a
// search without final trainings.
void PrintWinners(std::ostream& out, bool color, const v1::Search& search);

// Prints one row per point. A column lists the targets for which the point is the best.
void PrintFrontierCsv(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                      bool layers);

// Returns whether the candidate or frontier point has a measured metric with the name of the cost
// and another value: the cost is then known from a table or the spec.
template <typename Row>
bool MeasuredAnotherCost(const v1::Search& search, const Row& row) {
  const auto measured = row.metrics().find(CostName(search));
  // A mean over trainings can differ from the mean cost by its rounding.
  return measured != row.metrics().end() && !(std::abs(measured->second - row.cost()) <= 1e-9 * std::abs(row.cost()));
}

// Returns the metrics of the candidates or frontier points that are not shown as reward or cost.
template <typename Rows>
std::set<std::string> MetricsBesides(const v1::Search& search, const Rows& rows) {
  std::set<std::string> names;
  bool measured_another = false;
  for (const auto& row : rows) {
    for (const auto& [name, value] : row.metrics()) names.insert(name);
    measured_another = measured_another || MeasuredAnotherCost(search, row);
  }
  names.erase(RewardName(search));
  if (!measured_another) names.erase(CostName(search));
  return names;
}

// Columns that depend on the search: metrics that are not shown as reward or cost, and the
// layers.
class ResultColumns {
 public:
  // `metrics`: names in the required order.
  ResultColumns(const v1::Search& search, std::vector<std::string> metrics, bool layers);

  void AddTitles(ColumnNames& names, std::vector<std::string>& titles) const;
  void AddCells(const google::protobuf::Map<std::string, double>& metrics, const v1::Architecture& architecture,
                std::vector<Cell>& cells) const;

 private:
  std::vector<std::string> metrics_;
  std::vector<std::string> layers_;
};

}  // namespace layernas::client
