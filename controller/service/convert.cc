#include "controller/service/convert.h"

#include <algorithm>

#include "common/base/task_limits.h"
#include "common/base/utf8.h"
#include "common/spec/resolve.h"
#include "common/spec/validate.h"
#include "controller/service/page_bytes.h"

namespace layernas {
namespace {

// Longer messages of evaluators are cut in the middle. This many bytes of their beginning are kept.
constexpr std::size_t kFirstBytes = 300;

v1::FailureKind Encode(core::FailureKind kind) {
  switch (kind) {
    case core::FailureKind::kInfeasible:
      return v1::FAILURE_KIND_INFEASIBLE;
    case core::FailureKind::kEvaluator:
      return v1::FAILURE_KIND_EVALUATOR;
    case core::FailureKind::kWorkerLost:
      return v1::FAILURE_KIND_WORKER_LOST;
  }
  return v1::FAILURE_KIND_UNSPECIFIED;
}

void SetMetrics(const core::Metrics& metrics, google::protobuf::Map<std::string, double>& wire) {
  for (const core::Metrics::Entry& metric : metrics) wire[metric.name] = metric.value;
}

// The bytes of an answer that are left for architectures.
class Room {
 public:
  bool full() const { return bytes_ > kMaxBestBytes; }
  // Returns false if the message does not fit. After that nothing fits.
  bool Take(const google::protobuf::Message& message) {
    bytes_ += message.ByteSizeLong();
    return !full();
  }

 private:
  std::size_t bytes_ = 0;
};

// How much of an architecture an answer contains.
enum class Detail { kAll, kIdOnly };

v1::Architecture Encode(const core::Architecture& architecture, const v1::SearchSpec& spec, Detail detail) {
  if (detail == Detail::kAll) return spec::Resolve(spec.space(), architecture);
  v1::Architecture wire;
  wire.set_id(spec::FormatArchitectureId(spec.space(), architecture));
  return wire;
}

v1::WeightsFile Encode(const core::WeightsFile& file, const std::string& worker) {
  v1::WeightsFile wire;
  wire.set_path(file.path);
  wire.set_sha256(file.sha256);
  wire.set_bytes(file.bytes);
  wire.set_worker(worker);
  return wire;
}

std::optional<storage::StoredLog> ToLog(const v1::TaskLog& wire) {
  if (wire.tail().empty()) return std::nullopt;
  storage::StoredLog log;
  log.tail = LastOfUtf8(wire.tail(), kMaxLogBytes);
  log.omitted_bytes = std::clamp<std::int64_t>(wire.omitted_bytes(), 0, std::int64_t{1} << 60) +
                      static_cast<std::int64_t>(wire.tail().size() - log.tail.size());
  return log;
}

v1::FrontierPoint Encode(const PointView& view, const v1::SearchSpec& spec, const std::string& search_name,
                         Detail detail) {
  v1::FrontierPoint point;
  point.set_candidate(CandidateName(search_name, view.candidate));
  *point.mutable_architecture() = Encode(view.architecture, spec, detail);
  point.set_reward(view.standing.reward);
  point.set_cost(view.standing.cost);
  point.set_trainings(view.standing.trainings);
  point.set_reward_deviation(view.standing.reward_deviation);
  if (detail == Detail::kAll) SetMetrics(view.metrics, *point.mutable_metrics());
  return point;
}

v1::TargetBest Encode(const TargetView& target, const v1::SearchSpec& spec, const std::string& search_name,
                      Detail detail) {
  v1::TargetBest best;
  best.set_target(target.target);
  if (target.best) *best.mutable_best() = Encode(*target.best, spec, search_name, detail);
  if (target.nearest) *best.mutable_nearest() = Encode(*target.nearest, spec, search_name, detail);
  return best;
}

v1::Winner Encode(const WinnerView& view, const v1::SearchSpec& spec, const std::string& search_name, Detail detail) {
  v1::Winner winner;
  winner.set_candidate(CandidateName(search_name, view.candidate));
  *winner.mutable_architecture() = Encode(view.architecture, spec, detail);
  winner.set_trainings(view.trainings);
  winner.set_succeeded(view.succeeded);
  winner.set_reward(view.reward);
  winner.set_reward_deviation(view.reward_deviation);
  winner.set_cost(view.cost);
  for (const std::uint64_t number : view.finals) winner.add_finals(CandidateName(search_name, number));
  if (detail == Detail::kIdOnly) return winner;
  for (const auto& [file, worker] : view.weights) *winner.add_weights() = Encode(file, worker);
  return winner;
}

// Converts views into `out`, with all details while there is room and with only ids after that.
// Messages that do not fit are not built first.
template <typename View, typename Wire>
void AddWithin(Room& room, const std::vector<View>& views, const v1::SearchSpec& spec, const std::string& search_name,
               google::protobuf::RepeatedPtrField<Wire>& out) {
  for (const View& view : views) {
    Wire& added = *out.Add();
    if (!room.full()) added = Encode(view, spec, search_name, Detail::kAll);
    if (room.full() || !room.Take(added)) added = Encode(view, spec, search_name, Detail::kIdOnly);
  }
}

}  // namespace

v1::SearchSpec ParseSpec(const std::string& serialized) {
  v1::SearchSpec spec;
  // This cannot fail: the spec was parsed when it was accepted, and again when it was loaded.
  spec.ParseFromString(serialized);
  return spec::WithDefaults(std::move(spec));
}

v1::SearchState ToWire(core::SearchState state) {
  switch (state) {
    case core::SearchState::kRunning:
      return v1::SEARCH_STATE_RUNNING;
    case core::SearchState::kPaused:
      return v1::SEARCH_STATE_PAUSED;
    case core::SearchState::kSucceeded:
      return v1::SEARCH_STATE_SUCCEEDED;
    case core::SearchState::kFailed:
      return v1::SEARCH_STATE_FAILED;
    case core::SearchState::kCancelled:
      return v1::SEARCH_STATE_CANCELLED;
  }
  return v1::SEARCH_STATE_UNSPECIFIED;
}

v1::CandidateState ToWire(core::CandidateState state) {
  switch (state) {
    case core::CandidateState::kQueued:
      return v1::CANDIDATE_STATE_QUEUED;
    case core::CandidateState::kLeased:
      return v1::CANDIDATE_STATE_LEASED;
    case core::CandidateState::kSucceeded:
      return v1::CANDIDATE_STATE_SUCCEEDED;
    case core::CandidateState::kInfeasible:
      return v1::CANDIDATE_STATE_INFEASIBLE;
    case core::CandidateState::kFailed:
      return v1::CANDIDATE_STATE_FAILED;
    case core::CandidateState::kSkipped:
      return v1::CANDIDATE_STATE_SKIPPED;
    case core::CandidateState::kStopped:
      return v1::CANDIDATE_STATE_STOPPED;
  }
  return v1::CANDIDATE_STATE_UNSPECIFIED;
}

std::optional<core::CandidateState> FromWire(v1::CandidateState state) {
  switch (state) {
    case v1::CANDIDATE_STATE_QUEUED:
      return core::CandidateState::kQueued;
    case v1::CANDIDATE_STATE_LEASED:
      return core::CandidateState::kLeased;
    case v1::CANDIDATE_STATE_SUCCEEDED:
      return core::CandidateState::kSucceeded;
    case v1::CANDIDATE_STATE_INFEASIBLE:
      return core::CandidateState::kInfeasible;
    case v1::CANDIDATE_STATE_FAILED:
      return core::CandidateState::kFailed;
    case v1::CANDIDATE_STATE_SKIPPED:
      return core::CandidateState::kSkipped;
    case v1::CANDIDATE_STATE_STOPPED:
      return core::CandidateState::kStopped;
    default:
      return std::nullopt;
  }
}

v1::Search ToWire(const SearchView& view, const v1::SearchSpec& spec) {
  v1::Search search;
  search.set_name(view.name);
  *search.mutable_spec() = spec;
  v1::Sharing& sharing = *search.mutable_spec()->mutable_sharing();
  sharing.set_weight(view.sharing.weight);
  sharing.set_priority(view.sharing.priority);
  sharing.set_max_running(view.sharing.max_running);
  search.set_state(ToWire(view.state));
  search.set_state_reason(view.state_reason);
  *search.mutable_create_time() = ToTimestamp(view.created);
  if (view.ended != 0) *search.mutable_end_time() = ToTimestamp(view.ended);
  v1::SearchProgress& progress = *search.mutable_progress();
  progress.set_pass(view.position.pass);
  progress.set_stage(view.position.stage);
  progress.set_stage_count(view.stage_count);
  progress.set_layer(view.layer);
  progress.set_trainings(static_cast<std::int32_t>(view.trainings));
  progress.set_trainings_budget(static_cast<std::int32_t>(view.trainings_budget));
  const auto count = [&view](core::CandidateState state) {
    // A search that this version cannot continue has only the states that occur.
    const auto found = view.candidates.find(state);
    return found == view.candidates.end() ? 0 : static_cast<std::int32_t>(found->second);
  };
  progress.set_queued(count(core::CandidateState::kQueued));
  progress.set_leased(count(core::CandidateState::kLeased));
  progress.set_succeeded(count(core::CandidateState::kSucceeded));
  progress.set_infeasible(count(core::CandidateState::kInfeasible));
  progress.set_failed(count(core::CandidateState::kFailed));
  progress.set_skipped(count(core::CandidateState::kSkipped));
  progress.set_stopped(count(core::CandidateState::kStopped));
  progress.set_ready(static_cast<std::int32_t>(std::min<std::size_t>(view.ready, INT32_MAX)));
  progress.set_frontier_size(static_cast<std::int32_t>(view.frontier_size));
  Room room;
  AddWithin(room, view.targets, search.spec(), view.name, *search.mutable_best());
  AddWithin(room, view.winners, search.spec(), view.name, *search.mutable_winners());
  search.set_waiting_for(view.waiting_for);
  search.set_sequence(view.sequence);
  return search;
}

v1::Candidate ToWire(const core::Candidate& candidate, const v1::SearchSpec& spec, const std::string& search_name) {
  v1::Candidate wire;
  wire.set_name(CandidateName(search_name, candidate.number));
  *wire.mutable_architecture() = spec::Resolve(spec.space(), candidate.architecture);
  wire.set_state(ToWire(candidate.state));
  wire.set_pass(candidate.position.pass);
  wire.set_stage(candidate.position.stage);
  wire.set_attempt(candidate.attempt);
  wire.set_worker(candidate.worker);
  wire.set_reward(candidate.reward);
  wire.set_cost(candidate.cost);
  SetMetrics(candidate.metrics, *wire.mutable_metrics());
  wire.set_reused_from(candidate.twin_of != 0 ? CandidateName(search_name, candidate.twin_of) : candidate.reused_from);
  for (const core::CurvePoint& point : candidate.curve) {
    v1::CurvePoint& added = *wire.add_curve();
    added.set_epoch(point.epoch);
    added.set_reward(point.reward);
  }
  for (const core::AttemptFailure& failure : candidate.failures) {
    v1::AttemptFailure& attempt = *wire.add_failures();
    attempt.set_attempt(failure.attempt);
    attempt.set_kind(Encode(failure.kind));
    attempt.set_worker(failure.worker);
    attempt.set_message(failure.message);
    *attempt.mutable_time() = ToTimestamp(failure.time);
  }
  *wire.mutable_create_time() = ToTimestamp(candidate.created);
  if (candidate.started != 0) *wire.mutable_start_time() = ToTimestamp(candidate.started);
  if (candidate.ended != 0) *wire.mutable_end_time() = ToTimestamp(candidate.ended);
  if (candidate.repeat_of != 0) {
    wire.set_repeat_of(CandidateName(search_name, candidate.repeat_of));
    wire.set_repeat(candidate.repeat);
  }
  if (candidate.final_of != 0) {
    wire.set_final_of(CandidateName(search_name, candidate.final_of));
    wire.set_final_seed(candidate.final_seed);
  }
  if (!candidate.weights.empty()) *wire.mutable_weights() = Encode(candidate.weights.front(), candidate.worker);
  return wire;
}

v1::FrontierPoint ToFrontierPoint(const PointView& view, const v1::SearchSpec& spec, const std::string& search_name) {
  return Encode(view, spec, search_name, Detail::kAll);
}

void AddBest(const SearchView& view, const v1::SearchSpec& spec,
             google::protobuf::RepeatedPtrField<v1::TargetBest>& best) {
  Room room;
  AddWithin(room, view.targets, spec, view.name, best);
}

v1::Bucket ToWire(const BucketView& bucket, const v1::SearchSpec& spec, const std::string& search_name) {
  v1::Bucket wire;
  wire.set_pass(bucket.position.pass);
  wire.set_stage(bucket.position.stage);
  wire.set_bucket(bucket.bucket);
  wire.set_lower(bucket.lower);
  wire.set_upper(bucket.upper);
  for (const BucketView::Entry& one : bucket.entries) {
    v1::BucketEntry& entry = *wire.add_entries();
    entry.set_candidate(CandidateName(search_name, one.candidate));
    entry.set_architecture_id(spec::FormatArchitectureId(spec.space(), one.evaluated.architecture));
    entry.set_reward(one.evaluated.reward);
    entry.set_cost(one.evaluated.cost);
    entry.set_is_estimate(one.is_estimate);
  }
  return wire;
}

v1::WorkerStatus ToWire(const WorkerView& worker) {
  v1::WorkerStatus wire;
  wire.mutable_info()->set_id(worker.info.id);
  wire.mutable_info()->mutable_labels()->insert(worker.info.labels.begin(), worker.info.labels.end());
  wire.mutable_info()->set_slots(worker.info.slots);
  wire.mutable_info()->set_version(worker.info.version);
  wire.mutable_candidates()->Add(worker.candidates.begin(), worker.candidates.end());
  for (const TaskProgress& progress : worker.progress) {
    v1::TaskProgress& added = *wire.add_progress();
    added.set_epoch(progress.epoch);
    added.set_epochs(progress.epochs);
    if (progress.reward) added.set_reward(*progress.reward);
  }
  *wire.mutable_since_heard() = ToDuration(worker.since_heard);
  wire.set_failures_in_a_row(worker.failures_in_a_row);
  wire.set_last_failure(worker.last_failure);
  if (worker.shunned_for > Millis{0}) *wire.mutable_shunned_for() = ToDuration(worker.shunned_for);
  return wire;
}

void Fill(const TaskLogView& view, v1::GetTaskLogResponse& wire) {
  wire.set_attempt(view.attempt);
  wire.set_worker(view.log.worker);
  *wire.mutable_time() = ToTimestamp(view.log.time);
  wire.mutable_log()->set_tail(view.log.tail);
  wire.mutable_log()->set_omitted_bytes(view.log.omitted_bytes);
  wire.mutable_attempts()->Add(view.attempts.begin(), view.attempts.end());
}

WorkerInfo FromWire(const v1::WorkerInfo& worker, const std::string& caller) {
  return {worker.id(),       {worker.labels().begin(), worker.labels().end()},
          worker.slots(),    worker.version(),
          worker.instance(), caller};
}

Report FromWire(const v1::Completion& completion) {
  Report report;
  report.token = completion.lease_token();
  if (completion.has_result()) {
    const auto& metrics = completion.result().metrics();
    core::AttemptResult& result = report.result.emplace();
    result.metrics = core::Metrics(std::vector<std::pair<std::string, double>>(metrics.begin(), metrics.end()));
    result.curve.reserve(completion.result().curve_size());
    for (const v1::CurvePoint& point : completion.result().curve()) {
      result.curve.push_back({point.epoch(), point.reward()});
    }
    if (completion.result().has_weights()) {
      const v1::WeightsFile& weights = completion.result().weights();
      result.weights.push_back({weights.path(), weights.sha256(), weights.bytes()});
    }
  } else {
    report.failure = completion.failure().kind() == v1::FAILURE_KIND_INFEASIBLE ? core::FailureKind::kInfeasible
                                                                                : core::FailureKind::kEvaluator;
    report.message = ShortenUtf8(completion.failure().message(), kFirstBytes, kMaxKeptMessageBytes);
  }
  report.log = ToLog(completion.log());
  return report;
}

google::protobuf::Timestamp ToTimestamp(UnixMillis time) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(time / 1000);
  timestamp.set_nanos(static_cast<std::int32_t>(time % 1000 * 1'000'000));
  return timestamp;
}

google::protobuf::Duration ToDuration(Millis duration) {
  google::protobuf::Duration wire;
  wire.set_seconds(duration.count() / 1000);
  wire.set_nanos(static_cast<std::int32_t>(duration.count() % 1000 * 1'000'000));
  return wire;
}

Millis FromDuration(const google::protobuf::Duration& duration) {
  constexpr std::int64_t kMaxSeconds = std::int64_t{100} * 366 * 24 * 3600;
  return Millis{std::clamp(duration.seconds(), -kMaxSeconds, kMaxSeconds) * 1000 + duration.nanos() / 1'000'000};
}

}  // namespace layernas
