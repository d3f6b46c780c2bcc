// What the engine is asked and what it answers: plain values, free of the wire's and the disk's formats.
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

// Called once, on one of the engine's threads, after everything that the answer says is durable. Must not block.
template <typename T>
using Reply = std::function<void(absl::StatusOr<T>)>;

// Who calls.
struct WorkerId {
  WorkerId(std::string worker, std::string drawn = {})  // NOLINT: an id alone will do.
      : id(std::move(worker)), instance(std::move(drawn)) {}
  WorkerId(const char* worker) : id(worker) {}  // NOLINT: as above.

  std::string id;
  // Drawn when the worker started; empty where it does not say.
  std::string instance;
};

struct WorkerInfo {
  std::string id;
  std::map<std::string, std::string> labels;
  int slots = 0;
  std::string version;
  // Drawn when the worker started; empty where it does not say.
  std::string instance = {};
  // Who calls for it, as Quotas count.
  std::string owner = {};

  bool operator==(const WorkerInfo&) const = default;
};

struct WorkerView {
  WorkerInfo info;
  // Names of the candidates that it holds.
  std::vector<std::string> candidates;
  // As many: how far they have come.
  std::vector<TaskProgress> progress;
  Millis since_heard{0};
  // Attempts that failed since the last one that did not, and what the latest of them said.
  int failures_in_a_row = 0;
  std::string last_failure = {};
  // For how much longer it is shunned; none: it isn't.
  Millis shunned_for{0};
};

// An architecture, as its trainings have it stand: means of reward, cost and metrics.
struct PointView {
  // Of the candidate that was its first training.
  std::uint64_t candidate = 0;
  core::Architecture architecture;
  core::Standing standing;
  core::Metrics metrics;
};

struct TargetView {
  double target = 0;
  // The best that meets the target; else, if anything has a result, the cheapest.
  std::optional<PointView> best;
  std::optional<PointView> nearest;
};

// By its trainings in full.
struct WinnerView {
  // Of the candidate that was its first training.
  std::uint64_t candidate = 0;
  core::Architecture architecture;
  int trainings = 0;
  int succeeded = 0;
  double reward = 0;
  double reward_deviation = 0;
  double cost = 0;
  // By seed.
  std::vector<std::uint64_t> finals;
  // What they have kept, and the worker that has it; that of the highest reward first.
  std::vector<std::pair<core::WeightsFile, std::string>> weights;
};

struct SearchView {
  std::string name;
  // Serialized layernas.v1.SearchSpec.
  std::shared_ptr<const std::string> spec;
  // As it is now, whatever the spec says.
  core::Sharing sharing;
  core::SearchState state = core::SearchState::kRunning;
  std::string state_reason;
  UnixMillis created = 0;
  UnixMillis ended = 0;
  core::Position position;
  int stage_count = 0;
  // Of the layer being decided; empty where there is none.
  std::string layer;
  std::int64_t trainings = 0;
  std::int64_t trainings_budget = 0;
  // By CandidateState.
  std::map<core::CandidateState, std::size_t> candidates;
  std::size_t ready = 0;
  std::size_t frontier_size = 0;
  std::vector<TargetView> targets;
  std::vector<WinnerView> winners;
  std::string waiting_for;
  std::uint64_t sequence = 0;
};

// What is set in it changes.
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
  // Who calls, as Quotas count.
  std::string owner = {};
};

template <typename T>
struct Page {
  std::vector<T> items;
  // Where the next page goes on; none on the last.
  std::optional<std::uint64_t> next;
};

struct CandidatePage {
  SearchView search;
  Page<core::Candidate> page;
};

struct FrontierView {
  SearchView search;
  // By cost, ascending.
  std::vector<PointView> points;
  // Dearer ones follow.
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
  };
  std::vector<Entry> entries;
};

struct BucketsView {
  SearchView search;
  // Of one table, bucket by bucket, the empty ones left out.
  std::vector<BucketView> buckets;
};

struct ChangesView {
  // At least as new as the changes.
  SearchView search;
  std::vector<storage::StoredChange> changes;
  // Changes between the one asked for and the first one here are no longer kept.
  bool gap = false;
};

struct TaskLogView {
  int attempt = 0;
  storage::StoredLog log;
  // Those that have a log, ascending.
  std::vector<int> attempts;
};

// A lease that a worker says to hold.
struct HeldLease {
  std::string token;
  std::optional<TaskProgress> progress = {};
  // The learning curve so far, where the worker tells it.
  core::Curve curve = {};
};

// What a worker is told about a lease that it holds.
struct LeaseVerdict {
  bool go_on = true;
  // Otherwise: why not.
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
  // The same for each attempt.
  std::uint32_t seed = 0;
  core::TaskKind kind = core::TaskKind::kEvaluate;
  // A winner's training in full.
  bool is_final = false;
  // Of the work, for all attempts at it (v1.Task.identity).
  std::string identity = {};
};

// What a worker reports about one attempt.
struct Report {
  std::string token;
  // Either a result …
  std::optional<core::AttemptResult> result = {};
  // … or a failure.
  core::FailureKind failure = core::FailureKind::kEvaluator;
  std::string message = {};
  // It was a result that cannot be taken, for the reason in `message`: counts as a failure and is answered with
  // kInvalid.
  bool is_invalid = false;
  // Id of the architecture that was evaluated; empty where the worker does not say.
  std::string architecture = {};
  // Without its worker and time. None: the evaluator wrote nothing.
  std::optional<storage::StoredLog> log = {};
};

}  // namespace layernas
