#include "client/report/search_data.h"

#include <utility>

#include "client/queries.h"

namespace layernas::client {
namespace {

using Stub = v1::SearchService::Stub;

absl::Status FetchCandidates(ControllerConnection& connection, const std::string& name, SearchData& data) {
  v1::ListCandidatesRequest request;
  request.set_parent(name);
  return ForEachPage(connection, &Stub::ListCandidates, request, 0,
                     [&data](v1::ListCandidatesResponse& page) {
                       for (v1::Candidate& candidate : *page.mutable_candidates()) {
                         // Architectures make up most of the size of a candidate; the spec has the
                         // same information.
                         candidate.mutable_architecture()->clear_layers();
                         data.candidates.push_back(std::move(candidate));
                       }
                       return page.candidates_size();
                     })
      .status();
}

// Fetches the buckets of a stage. Returns its pass, or 0 if there are none.
absl::StatusOr<int> FetchTable(ControllerConnection& connection, const std::string& name, int pass, int stage,
                               SearchData& data) {
  v1::GetBucketsRequest request;
  request.set_name(name);
  request.set_pass(pass);
  request.set_stage(stage);
  int found = 0;
  LAYERNAS_RETURN_IF_ERROR(ForEachPage(connection, &Stub::GetBuckets, request, 0, [&](v1::GetBucketsResponse& page) {
                             for (v1::Bucket& bucket : *page.mutable_buckets()) {
                               found = bucket.pass();
                               if (!bucket.entries().empty()) data.buckets.push_back(std::move(bucket));
                             }
                             return page.buckets_size();
                           }).status());
  return found;
}

absl::Status FetchBuckets(ControllerConnection& connection, const std::string& name, SearchData& data) {
  // The latest buckets have the pass and the last stage.
  LAYERNAS_ASSIGN_OR_RETURN(const int pass, FetchTable(connection, name, 0, 0, data));
  if (pass == 0) return absl::OkStatus();
  const int latest = data.buckets.empty() ? data.search.progress().stage_count() : data.buckets.front().stage();
  for (int stage = 1; stage < latest; ++stage) {
    LAYERNAS_RETURN_IF_ERROR(FetchTable(connection, name, pass, stage, data).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SearchData> FetchSearchData(ControllerConnection& connection, const std::string& name) {
  SearchData data;
  LAYERNAS_ASSIGN_OR_RETURN(data.search, GetSearch(connection, name));
  LAYERNAS_RETURN_IF_ERROR(FetchCandidates(connection, name, data));
  LAYERNAS_ASSIGN_OR_RETURN(v1::GetFrontierResponse frontier, GetFrontier(connection, name));
  data.frontier.assign(std::make_move_iterator(frontier.mutable_points()->begin()),
                       std::make_move_iterator(frontier.mutable_points()->end()));
  data.best.assign(std::make_move_iterator(frontier.mutable_best()->begin()),
                   std::make_move_iterator(frontier.mutable_best()->end()));
  LAYERNAS_RETURN_IF_ERROR(FetchBuckets(connection, name, data));
  return data;
}

}  // namespace layernas::client
