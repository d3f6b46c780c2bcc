// Frontiers for people and as CSV.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "client/output/table.h"
#include "client/terminal.h"
#include "layernas/v1/search.pb.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

// The best per target, then the frontier. With `layers`, the chosen option of each layer too.
void PrintFrontier(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                   bool layers);

// One row per point; a column says which targets it is the best for.
void PrintFrontierCsv(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                      bool layers);

// Columns that depend on the search: the metrics besides reward and cost, and the layers.
class ResultColumns {
 public:
  // `metrics`: names, in the order wanted.
  ResultColumns(const v1::Search& search, std::vector<std::string> metrics, bool layers);

  void AddTitles(ColumnNames& names, std::vector<std::string>& titles) const;
  void AddCells(const google::protobuf::Map<std::string, double>& metrics, const v1::Architecture& architecture,
                std::vector<Cell>& cells) const;

 private:
  std::vector<std::string> metrics_;
  std::vector<std::string> layers_;
};

}  // namespace layernas::client
