// Frontiers as text and as CSV.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "client/output/table.h"
#include "client/terminal.h"
#include "layernas/v1/search.pb.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

// Prints the best point per target, then the frontier. With `layers`, also the chosen option of
// each layer.
void PrintFrontier(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                   bool layers);

// Prints one row per point. A column lists the targets for which the point is the best.
void PrintFrontierCsv(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                      bool layers);

// Columns that depend on the search: metrics other than reward and cost, and the layers.
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
