// Questions to the engine and its answers: plain values, independent of the formats of messages and
// disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/search.h"
#include "controller/engine/lease_book.h"
#include "controller/engine/names.h"
#include "controller/storage/records.h"

namespace layernas {

// Called once, on one of the engine's threads, after everything in the answer is durable. Must not
// block.
template <typename T>
using Reply = std::function<void(absl::StatusOr<T>)>;

// Identifies the calling worker.
struct WorkerId {
  WorkerId(std::string worker, std::string drawn = {})  // NOLINT: an id alone will do.
      : id(std::move(worker)), instance(std::move(drawn)) {}
  WorkerId(const char* worker) : id(worker) {}  // NOLINT: as above.

  std::string id;
  // Drawn when the worker started; empty if the worker does not send it.
  std::string instance;
};

struct WorkerInfo {
  std::string id;
  std::map<std::string, std::string> labels;
  int slots = 0;
  std::string version;
  // Drawn when the worker started; empty if the worker does not send it.
  std::string instance = {};
  // The caller that Quotas count the worker for.
  std::string owner = {};

  bool operator==(const WorkerInfo&) const = default;
};

struct WorkerView {
  WorkerInfo info;
  // Names of the candidates that it holds.
  std::vector<std::string> candidates;
  // Progress of each of the candidates.
  std::vector<TaskProgress> progress;
  Millis since_heard{0};
  // Attempts that failed since the last one that did not, and the message of the latest failure.
  int failures_in_a_row = 0;
  std::string last_failure = {};
  // Remaining time of its shun; 0: it is not shunned.
  Millis shunned_for{0};
};

// An architecture with the means of its trainings: reward, cost and metrics.
struct PointView {
  // The candidate of its first training.
  std::uint64_t candidate = 0;
  core::Architecture architecture;
  core::Standing standing;
  core::Metrics metrics;
};

struct TargetView {
  double target = 0;
  // The best result that meets the target, and otherwise the cheapest result, if there is any.
  std::optional<PointView> best;
  std::optional<PointView> nearest;
};

// A winner with the results of its full trainings.
struct WinnerView {
  // The candidate of its first training.
  std::uint64_t candidate = 0;
  core::Architecture architecture;
  int trainings = 0;
  int succeeded = 0;
  double reward = 0;
  double reward_deviation = 0;
  double cost = 0;
  // By seed.
  std::vector<std::uint64_t> finals;
  // The networks that they kept and the workers that have them, highest reward first.
  std::vector<std::pair<core::WeightsFile, std::string>> weights;
};

struct SearchView {
  std::string name;
  // Serialized layernas.v1.SearchSpec.
  std::shared_ptr<const std::string> spec;
  // The current sharing, which may differ from the spec.
  core::Sharing sharing;
  core::SearchState state = core::SearchState::kRunning;
  std::string state_reason;
  UnixMillis created = 0;
  UnixMillis ended = 0;
  core::Position position;
  int stage_count = 0;
  // Name of the layer being decided; empty if there is none.
  std::string layer;
  std::int64_t trainings = 0;
  std::int64_t trainings_budget = 0;
  // Number of candidates by state.
  std::map<core::CandidateState, std::size_t> candidates;
  std::size_t ready = 0;
  std::size_t frontier_size = 0;
  std::vector<TargetView> targets;
  std::vector<WinnerView> winners;
  std::string waiting_for;
  std::uint64_t sequence = 0;
};

// Only the fields that are set change.
struct SharingUpdate {
  std::optional<double> weight;
  std::optional<int> priority;
  std::optional<int> max_running;
};

struct NewSearch {
  std::string slug;
  std::string spec;
  core::SearchConfig config;
  std::string request_id;
  // The caller that Quotas count the search for.
  std::string owner = {};
};

template <typename T>
struct Page {
  std::vector<T> items;
  // Where the next page starts; none on the last page.
  std::optional<std::uint64_t> next;
};

struct CandidatePage {
  SearchView search;
  Page<core::Candidate> page;
};

struct FrontierView {
  SearchView search;
  // By ascending cost.
  std::vector<PointView> points;
  // More expensive points follow.
  bool has_more = false;
};

struct BucketView {
  core::Position position;
  int bucket = 0;
  double lower = 0;
  double upper = 0;
  struct Entry {
    std::uint64_t candidate = 0;
    core::Evaluated evaluated;
    // The training was stopped early, and its reward is an estimate.
    bool is_estimate = false;
  };
  std::vector<Entry> entries;
};

struct BucketsView {
  SearchView search;
  // The buckets of one table in order, without empty ones.
  std::vector<BucketView> buckets;
};

struct ChangesView {
  // At least as new as the changes.
  SearchView search;
  std::vector<storage::StoredChange> changes;
  // Changes between the requested one and the first one here are no longer kept.
  bool gap = false;
};

struct TaskLogView {
  int attempt = 0;
  storage::StoredLog log;
  // Attempts with a log, ascending.
  std::vector<int> attempts;
};

// A lease that a worker claims to hold.
struct HeldLease {
  std::string token;
  std::optional<TaskProgress> progress = {};
  // The learning curve so far, if the worker reports it.
  core::Curve curve = {};
};

// The answer to a worker about a lease that it holds.
struct LeaseVerdict {
  bool go_on = true;
  // If it should not continue: the reason.
  std::string message = {};

  bool operator==(const LeaseVerdict&) const = default;
};

struct LeaseRequest {
  WorkerInfo worker;
  int max_tasks = 1;
  std::string request_id;
  // When an empty answer is due.
  SteadyTime deadline;
};

struct LeasedTask {
  LeaseToken token;
  std::string search_name;
  std::shared_ptr<const std::string> spec;
  core::Architecture architecture;
  // The same for all attempts.
  std::uint32_t seed = 0;
  core::TaskKind kind = core::TaskKind::kEvaluate;
  // Whether it is a winner's full training.
  bool is_final = false;
  // Identity of the work; the same for all attempts at it (v1.Task.identity).
  std::string identity = {};
};

// A worker's report about one attempt.
struct Report {
  std::string token;
  // Either a result …
  std::optional<core::AttemptResult> result = {};
  // … or a failure.
  core::FailureKind failure = core::FailureKind::kEvaluator;
  std::string message = {};
  // The report had an invalid result, for the reason in `message`. It counts as a failure and is
  // answered with kInvalid.
  bool is_invalid = false;
  // Id of the evaluated architecture; empty if the worker does not send it.
  std::string architecture = {};
  // Without worker and time. None: the evaluator wrote nothing.
  std::optional<storage::StoredLog> log = {};
};

}  // namespace layernas
