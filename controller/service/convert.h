// Converts between the engine's values and messages.
#pragma once

#include <memory>
#include <string>

#include "controller/engine/views.h"
#include "layernas/v1/fleet_service.pb.h"
#include "layernas/v1/search.pb.h"
#include "layernas/v1/search_service.pb.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {

// Returns the parsed spec of a view, with defaults set.
v1::SearchSpec ParseSpec(const std::string& serialized);

v1::SearchState ToWire(core::SearchState state);
v1::CandidateState ToWire(core::CandidateState state);
// Returns nothing for UNSPECIFIED and unknown values.
std::optional<core::CandidateState> FromWire(v1::CandidateState state);

// Here and below, `spec` and `search_name` are those of the search. If the best results per target
// and the winners are too large for an answer, the last ones have only the ids of their
// architectures.
v1::Search ToWire(const SearchView& view, const v1::SearchSpec& spec);
v1::Candidate ToWire(const core::Candidate& candidate, const v1::SearchSpec& spec, const std::string& search_name);
v1::FrontierPoint ToFrontierPoint(const PointView& view, const v1::SearchSpec& spec, const std::string& search_name);
// Adds one entry per target of the search. If they are too large for an answer, the last ones have
// only the ids of their architectures.
void AddBest(const SearchView& view, const v1::SearchSpec& spec,
             google::protobuf::RepeatedPtrField<v1::TargetBest>& best);
v1::Bucket ToWire(const BucketView& bucket, const v1::SearchSpec& spec, const std::string& search_name);
v1::WorkerStatus ToWire(const WorkerView& worker);
void Fill(const TaskLogView& view, v1::GetTaskLogResponse& wire);

// `caller` is the caller that Quotas count the worker for.
WorkerInfo FromWire(const v1::WorkerInfo& worker, const std::string& caller);
Report FromWire(const v1::Completion& completion);

google::protobuf::Timestamp ToTimestamp(UnixMillis time);
google::protobuf::Duration ToDuration(Millis duration);
// Limited to a hundred years.
Millis FromDuration(const google::protobuf::Duration& duration);

}  // namespace layernas
