// The data of a search that a report shows, from the controller.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/controller_connection.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

struct SearchData {
  v1::Search search;
  // In the order of proposal. Architectures have only their ids.
  std::vector<v1::Candidate> candidates;
  // Frontier: cheapest first. Best per target: in the order of the spec. Both are newer than the
  // candidates if the search is running.
  std::vector<v1::FrontierPoint> frontier;
  std::vector<v1::TargetBest> best;
  // The non-empty buckets of every stage of the latest pass; empty if the strategy has no buckets.
  std::vector<v1::Bucket> buckets;
};

absl::StatusOr<SearchData> FetchSearchData(ControllerConnection& connection, const std::string& name);

}  // namespace layernas::client
