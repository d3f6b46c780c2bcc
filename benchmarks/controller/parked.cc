#include "benchmarks/controller/parked.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/controller/event_loop.h"
#include "benchmarks/controller/latencies.h"
#include "benchmarks/controller/machine.h"
#include "benchmarks/controller/searches.h"
#include "common/base/status_macros.h"
#include "common/rpc/backoff.h"

namespace layernas::bench {
namespace {

// Same as the agent's (worker/agent/agent.h).
constexpr int kPollSeconds = 60;
constexpr Millis kPollTimeout{65'000};
constexpr Millis kParkedCallTimeout{10'000};
constexpr Millis kFirstRetry{1'000};
constexpr Millis kLongestRetry{10'000};
constexpr Millis kEvaluation{10'000};

// New connections per second, slow enough that connecting does not affect the measurement.
constexpr double kArrivals = 2'000;
constexpr Millis kPatience{300'000};
// The controller's gauges are updated every 200 ms.
constexpr Millis kSampling{200};
constexpr int kSamplesPerSecond = 5;

class Fleet {
 public:
  Fleet(ControllerProcess& controller, const ParkedOptions& options)
      : controller_(controller), options_(options), loop_(controller.address(), options.workers), results_(2) {
    workers_.reserve(options.workers);
    for (int i = 0; i < options.workers; ++i) {
      workers_.push_back({absl::StrCat("parked-", i), i, rpc::Backoff(kFirstRetry, kLongestRetry, i)});
    }
  }

  absl::StatusOr<ParkedResult> Run() {
    const SteadyTime begin = Now();
    for (Worker& worker : workers_) {
      loop_.At(begin + std::chrono::microseconds(std::int64_t(1e6 / kArrivals * worker.number)),
               [this, &worker] { Poll(worker); });
    }
    LAYERNAS_RETURN_IF_ERROR(AwaitParked(nullptr));

    ParkedResult result;
    const SteadyTime idle_begin = Now();
    const MachineTicks ticks = ReadMachineTicks();
    const double cpu = ReadCpuSeconds(controller_.pid());
    loop_.RunFor(options_.duration);
    const double seconds = std::chrono::duration<double>(Now() - idle_begin).count();
    result.cpu_share = (ReadCpuSeconds(controller_.pid()) - cpu) / seconds;
    result.idle_share = IdleShare(ticks, ReadMachineTicks());
    result.rss_bytes = ReadResidentBytes(controller_.pid());

    v1::SearchSpec spec = MakeSpec(options_.shape);
    spec.mutable_budget()->set_trainings(options_.workers);
    const SteadyTime created = Now();
    LAYERNAS_RETURN_IF_ERROR(CreateSearch(controller_.address(), spec).status());
    if (!loop_.RunUntil(Now() + kPatience, [this] { return served_ >= workers_.size() || !failure_.ok(); })) {
      return absl::DeadlineExceededError(absl::StrCat("only ", served_, " workers got a candidate"));
    }
    LAYERNAS_RETURN_IF_ERROR(failure_);
    result.served_seconds = std::chrono::duration<double>(Now() - created).count();

    LAYERNAS_RETURN_IF_ERROR(AwaitParked(nullptr));
    LAYERNAS_RETURN_IF_ERROR(controller_.Restart(/*kill=*/true));
    const SteadyTime restarted = Now();
    std::vector<double> parked;
    LAYERNAS_RETURN_IF_ERROR(AwaitParked(&parked));
    result.reconnected_seconds = std::chrono::duration<double>(Now() - restarted).count();
    for (std::size_t i = 0; i < parked.size(); ++i) {
      const double before = i < kSamplesPerSecond ? 0 : parked[i - kSamplesPerSecond];
      result.reconnected_peak_share = std::max(result.reconnected_peak_share, (parked[i] - before) / options_.workers);
    }
    return result;
  }

 private:
  struct Worker {
    std::string id;
    int number = 0;
    rpc::Backoff backoff;
    std::uint64_t requests = 0;
    bool answered = true;
  };

  void Poll(Worker& worker) {
    if (worker.answered) ++worker.requests;
    loop_.Call(worker.number, kLeaseTasks,
               LeaseRequest(worker.id, absl::StrCat(worker.id, "-", worker.requests), 1, kPollSeconds), kPollTimeout,
               [this, &worker](const grpc::Status& status, grpc::ByteBuffer& answer) {
                 worker.answered = status.ok();
                 if (!status.ok()) {
                   loop_.At(Now() + worker.backoff.Next(), [this, &worker] { Poll(worker); });
                   return;
                 }
                 worker.backoff.Reset();
                 const std::vector<std::string> tokens = ReadTokens(answer);
                 if (tokens.empty()) {
                   Poll(worker);
                 } else {
                   ++served_;
                   // Evaluations take longer than handing out tasks.
                   loop_.At(Now() + kEvaluation, [this, &worker, tokens] { Complete(worker, tokens); });
                 }
               });
  }

  void Complete(Worker& worker, const std::vector<std::string>& tokens) {
    loop_.Call(worker.number, kCompleteTasks, results_.CompleteRequest(worker.id, tokens), kParkedCallTimeout,
               [this, &worker](const grpc::Status& status, grpc::ByteBuffer&) {
                 if (!status.ok()) failure_ = absl::UnavailableError(status.error_message());
                 Poll(worker);
               });
  }

  // Waits until all workers wait, except for the few whose call has just been answered. Appends the
  // number of waiting workers to `samples` if it is not null.
  absl::Status AwaitParked(std::vector<double>* samples) {
    const SteadyTime deadline = Now() + kPatience;
    while (Now() < deadline) {
      loop_.RunFor(kSampling);
      LAYERNAS_ASSIGN_OR_RETURN(const double parked, controller_.ReadMetric("layernas_polls_parked"));
      if (samples != nullptr) samples->push_back(parked);
      if (parked >= 0.99 * options_.workers) return absl::OkStatus();
    }
    return absl::DeadlineExceededError("the workers did not all wait for work in time");
  }

  ControllerProcess& controller_;
  const ParkedOptions options_;
  EventLoop loop_;
  ResultWriter results_;
  std::vector<Worker> workers_;
  std::size_t served_ = 0;
  absl::Status failure_;
};

}  // namespace

absl::StatusOr<ParkedResult> RunParked(ControllerProcess& controller, const ParkedOptions& options) {
  return Fleet(controller, options).Run();
}

}  // namespace layernas::bench
