// All of a search that a report shows, as the controller tells it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

struct SearchData {
  v1::Search search;
  // In the order of proposal; architectures have their ids alone.
  std::vector<v1::Candidate> candidates;
  // Cheapest first; best per target in the order of the spec. Of a running search, newer than the candidates.
  std::vector<v1::FrontierPoint> frontier;
  std::vector<v1::TargetBest> best;
  // Of every stage of the latest pass, those that hold something; empty where the strategy has no tables.
  std::vector<v1::Bucket> buckets;
};

absl::StatusOr<SearchData> FetchSearchData(ControllerConnection& connection, const std::string& name);

}  // namespace layernas::client
