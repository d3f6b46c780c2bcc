#include "benchmarks/fleet/fleet.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <functional>
#include <queue>

#include "absl/strings/str_cat.h"
#include "benchmarks/search/cpu_time.h"
#include "common/base/random.h"

namespace layernas::bench {
namespace {

// Same as the controller's default.
constexpr std::chrono::seconds kLeaseDuration{30};
constexpr std::size_t kMaxProposalsAtOnce = 16;
// Interval at which an idle worker is offered tasks whose back-off has ended.
constexpr std::chrono::seconds kPollInterval{1};

double Seconds(SteadyTime::duration duration) { return std::chrono::duration<double>(duration).count(); }

SteadyTime::duration Duration(double seconds) {
  return std::chrono::duration_cast<SteadyTime::duration>(std::chrono::duration<double>(seconds));
}

// Calls functions at their times. Functions with the same time are called in the order of the
// requests.
class VirtualTime {
 public:
  SteadyTime now() const { return now_; }

  void At(SteadyTime time, std::function<void()> function) { events_.push({time, next_order_++, std::move(function)}); }

  // Returns false if there are no further functions.
  bool Advance() {
    if (events_.empty()) return false;
    const Event event = events_.top();
    events_.pop();
    now_ = event.time;
    event.function();
    return true;
  }

 private:
  struct Event {
    SteadyTime time;
    std::uint64_t order;
    std::function<void()> function;

    bool operator<(const Event& other) const { return time != other.time ? time > other.time : order > other.order; }
  };

  SteadyTime now_;
  std::priority_queue<Event> events_;
  std::uint64_t next_order_ = 0;
};

class Fleet {
 public:
  Fleet(const Problem& problem, const core::SearchConfig& config, const FleetOptions& options)
      : problem_(problem), options_(options), search_(config, 0) {
    for (int worker = 0; worker < options.workers; ++worker) idle_.push_back(worker);
  }

  absl::StatusOr<FleetResult> Run() {
    do {
      Dispatch();
      StartWork();
      WakeLater();
    } while (!core::IsFinal(search_.state()) && time_.Advance());
    if (search_.state() != core::SearchState::kSucceeded) {
      return absl::InternalError(core::IsFinal(search_.state())
                                     ? absl::StrCat("the search failed: ", search_.state_reason())
                                     : "the search makes no progress: nothing is in progress and nothing is ready");
    }
    return Result();
  }

 private:
  struct Span {
    SteadyTime begin;
    SteadyTime end;
  };

  Instant Now() const {
    return {time_.now(), std::chrono::duration_cast<Millis>(time_.now().time_since_epoch()).count()};
  }

  template <typename Work>
  auto Timed(Work&& work) {
    const double begin = CpuSeconds();
    auto result = work();
    strategy_seconds_ += CpuSeconds() - begin;
    return result;
  }

  void Dispatch() {
    // Each worker is asked once. A worker may get nothing if the task failed on it before.
    for (std::size_t asked = idle_.size(); asked > 0 && search_.Ready() > 0; --asked) {
      const int worker = idle_.front();
      idle_.pop_front();
      const core::Candidate* candidate = Timed([&] { return search_.Lease(Name(worker), "", Now()); });
      if (candidate == nullptr) {
        idle_.push_back(worker);
      } else {
        if (candidate->attempt == 1) handed_out_ = time_.now();
        Begin(worker, *candidate);
      }
    }
  }

  void Begin(int worker, const core::Candidate& candidate) {
    const std::uint64_t number = candidate.number;
    const int attempt = candidate.attempt;
    RandomStream random({search_.config().seed, core::Fingerprint(candidate.architecture),
                         static_cast<std::uint64_t>(attempt), 0xf1ee7});
    double seconds = options_.training_seconds * std::exp(options_.sigma * random.Normal());
    const bool crashes = random.Uniform() < options_.crash_share;
    if (crashes) seconds *= random.Uniform();
    const bool worker_is_lost = random.Below(2) == 0;
    const SteadyTime end = time_.now() + Duration(seconds);
    busy_.push_back({time_.now(), end});
    if (!crashes) {
      time_.At(end, [this, worker, number, attempt] { Complete(worker, number, attempt); });
    } else if (worker_is_lost) {
      // The worker returns by the time its lease expires.
      time_.At(end + kLeaseDuration, [this, worker, number, attempt] {
        ++crashes_;
        search_.Expire(number, attempt, Now(), "its worker was lost");
        idle_.push_back(worker);
      });
    } else {
      time_.At(end, [this, worker, number, attempt] {
        ++crashes_;
        search_.Fail(number, attempt, Name(worker), core::FailureKind::kEvaluator, "crashed", Now());
        idle_.push_back(worker);
      });
    }
  }

  void Complete(int worker, std::uint64_t number, int attempt) {
    const core::Architecture& architecture = search_.candidate(number)->architecture;
    const core::Metrics metrics = {
        {search_.config().reward_metric, problem_.Reward(architecture, search_.config().seed)},
        {search_.config().cost_metric, problem_.Cost(architecture)}};
    Timed([&] { return search_.Complete(number, attempt, Name(worker), metrics, Now()); });
    idle_.push_back(worker);
  }

  // Works like the controller: one computation at a time, and only while workers wait.
  void StartWork() {
    if (idle_.empty() || work_ != nullptr || search_.Ready() == 0) return;
    work_ = search_.StartWork(std::min(idle_.size(), kMaxProposalsAtOnce));
    if (work_ == nullptr) return;
    const double begin = CpuSeconds();
    work_->Run();
    const double took = CpuSeconds() - begin;
    strategy_seconds_ += took;
    time_.At(time_.now() + Duration(took), [this] {
      search_.FinishWork(*work_, 0);
      work_ = nullptr;
    });
  }

  // A task is ready that no worker may take yet.
  void WakeLater() {
    if (idle_.empty() || work_ != nullptr || wake_is_set_ || search_.Ready() == 0) return;
    wake_is_set_ = true;
    time_.At(time_.now() + kPollInterval, [this] { wake_is_set_ = false; });
  }

  FleetResult Result() const {
    FleetResult result;
    const SteadyTime begin{};
    const auto utilisation = [&](SteadyTime end) {
      double busy = 0;
      for (const Span& span : busy_) busy += Seconds(std::max(std::min(span.end, end), span.begin) - span.begin);
      return busy / (options_.workers * Seconds(end - begin));
    };
    result.makespan_seconds = Seconds(time_.now() - begin);
    result.utilisation = utilisation(time_.now());
    result.utilisation_handing_out = utilisation(handed_out_);
    result.handing_out_seconds = Seconds(handed_out_ - begin);
    result.trainings = static_cast<int>(search_.candidates().size());
    result.crashes = crashes_;
    result.strategy_seconds = strategy_seconds_;
    result.tables.assign(search_.final_tables().begin(), search_.final_tables().end());
    return result;
  }

  static std::string Name(int worker) { return absl::StrCat("worker-", worker); }

  const Problem& problem_;
  const FleetOptions options_;
  core::Search search_;
  VirtualTime time_;
  // Longest idle first.
  std::deque<int> idle_;
  std::unique_ptr<core::BackgroundWork> work_;
  bool wake_is_set_ = false;
  std::vector<Span> busy_;
  SteadyTime handed_out_;
  int crashes_ = 0;
  double strategy_seconds_ = 0;
};

}  // namespace

absl::StatusOr<FleetResult> RunFleet(const Problem& problem, const core::SearchConfig& config,
                                     const FleetOptions& options) {
  return Fleet(problem, config, options).Run();
}

}  // namespace layernas::bench
