// Between the engine's values and the wire.
#pragma once

#include <memory>
#include <string>

#include "controller/engine/views.h"
#include "layernas/v1/fleet_service.pb.h"
#include "layernas/v1/search.pb.h"
#include "layernas/v1/search_service.pb.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {

// The parsed form of a view's spec, defaults set.
v1::SearchSpec ParseSpec(const std::string& serialized);

v1::SearchState ToWire(core::SearchState state);
v1::CandidateState ToWire(core::CandidateState state);
// Nothing for UNSPECIFIED and unknown values.
std::optional<core::CandidateState> FromWire(v1::CandidateState state);

// `spec` and `search_name`, here and below, are those of the search.
// Where the best per target and the winners get too large for an answer, the rest have the ids of their architectures
// alone.
v1::Search ToWire(const SearchView& view, const v1::SearchSpec& spec);
v1::Candidate ToWire(const core::Candidate& candidate, const v1::SearchSpec& spec, const std::string& search_name);
v1::FrontierPoint ToFrontierPoint(const PointView& view, const v1::SearchSpec& spec, const std::string& search_name);
// One per target of the search. Where they get too large for an answer, the rest have the ids of their architectures
// alone.
void AddBest(const SearchView& view, const v1::SearchSpec& spec,
             google::protobuf::RepeatedPtrField<v1::TargetBest>& best);
v1::Bucket ToWire(const BucketView& bucket, const v1::SearchSpec& spec, const std::string& search_name);
v1::WorkerStatus ToWire(const WorkerView& worker);
void Fill(const TaskLogView& view, v1::GetTaskLogResponse& wire);

// `caller` calls for it.
WorkerInfo FromWire(const v1::WorkerInfo& worker, const std::string& caller);
Report FromWire(const v1::Completion& completion);

google::protobuf::Timestamp ToTimestamp(UnixMillis time);
google::protobuf::Duration ToDuration(Millis duration);
// Cut to a hundred years.
Millis FromDuration(const google::protobuf::Duration& duration);

}  // namespace layernas
