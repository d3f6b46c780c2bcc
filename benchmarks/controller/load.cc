#include "benchmarks/controller/load.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/controller/machine.h"
#include "benchmarks/controller/messages.h"

namespace layernas::bench {
namespace {

constexpr Millis kCallTimeout{60'000};
constexpr int kWaitSeconds = 10;
constexpr Millis kLastAnswers{30'000};
// Interval for comparing started work with the rate.
constexpr std::chrono::microseconds kPace{500};

// Machine and processes at one moment.
struct Sample {
  SteadyTime time = Now();
  MachineTicks ticks = ReadMachineTicks();
  double controller = 0;
  double client = ReadCpuSeconds(getpid());
};

class Load {
 public:
  Load(EventLoop& loop, const LoadOptions& options, pid_t controller)
      : loop_(loop), options_(options), controller_(controller), results_(options.metrics) {
    workers_.resize(options.workers);
    for (int i = 0; i < options.workers; ++i) {
      workers_[i].id = absl::StrCat(options.prefix, "-", i);
      workers_[i].number = i;
    }
  }

  absl::StatusOr<LoadResult> Run() {
    for (Worker& worker : workers_) free_.push_back(&worker);
    begin_ = Now();
    if (options_.rate > 0) {
      Pace();
    } else {
      while (!free_.empty()) Begin(TakeFree(), Now());
    }
    const auto over = [this] {
      return !failure_.ok() || (options_.evaluations > 0 && result_.all_evaluations >= options_.evaluations);
    };
    loop_.RunUntil(begin_ + options_.warm_up, over);
    const Sample begin = TakeSample();
    measuring_ = true;
    loop_.RunUntil(begin.time + options_.duration, over);
    measuring_ = false;
    const Sample end = TakeSample();
    // Leaves nothing in progress for the next measurement.
    stopping_ = true;
    loop_.RunUntil(Now() + kLastAnswers,
                   [this] { return !failure_.ok() || (free_.size() == workers_.size() && !pacing_); });
    if (!failure_.ok()) return failure_;
    result_.seconds = std::chrono::duration<double>(end.time - begin.time).count();
    result_.idle_share = IdleShare(begin.ticks, end.ticks);
    result_.controller_cpu_seconds = end.controller - begin.controller;
    result_.client_cpu_seconds = end.client - begin.client;
    return std::move(result_);
  }

 private:
  struct Worker {
    std::string id;
    int number = 0;
    std::uint64_t requests = 0;
    SteadyTime due;
    SteadyTime sent;
    std::vector<std::string> tokens;
  };

  Sample TakeSample() const {
    Sample sample;
    sample.controller = ReadCpuSeconds(controller_);
    return sample;
  }

  Worker& TakeFree() {
    Worker& worker = *free_.front();
    free_.pop_front();
    return worker;
  }

  // Starts the work that is due.
  void Pace() {
    pacing_ = !stopping_;
    if (stopping_) return;
    const std::chrono::duration<double> period(options_.batch / options_.rate);
    while (true) {
      const SteadyTime due = begin_ + std::chrono::duration_cast<SteadyTime::duration>(period * begun_);
      if (due > Now()) break;
      ++begun_;
      if (free_.empty()) {
        waiting_.push_back(due);
      } else {
        Begin(TakeFree(), due);
      }
    }
    loop_.At(Now() + kPace, [this] { Pace(); });
  }

  void Begin(Worker& worker, SteadyTime due) {
    worker.due = due;
    Lease(worker);
  }

  void Lease(Worker& worker) {
    worker.sent = Now();
    const std::string request_id = absl::StrCat(worker.id, "-", worker.requests++);
    loop_.Call(worker.number % options_.connections, kLeaseTasks,
               LeaseRequest(worker.id, request_id, options_.batch, kWaitSeconds), kCallTimeout,
               [this, &worker](const grpc::Status& status, grpc::ByteBuffer& answer) {
                 if (!Check(kLeaseTasks, status)) return;
                 if (measuring_) result_.leases.Add(Now() - worker.sent);
                 worker.tokens = ReadTokens(answer);
                 if (!worker.tokens.empty()) {
                   Complete(worker);
                 } else if (stopping_) {
                   free_.push_back(&worker);
                 } else {
                   Lease(worker);
                 }
               });
  }

  void Complete(Worker& worker) {
    worker.sent = Now();
    loop_.Call(worker.number % options_.connections, kCompleteTasks, results_.CompleteRequest(worker.id, worker.tokens),
               kCallTimeout, [this, &worker](const grpc::Status& status, grpc::ByteBuffer& answer) {
                 if (!Check(kCompleteTasks, status)) return;
                 const std::size_t accepted = CountAccepted(answer);
                 if (accepted != worker.tokens.size()) {
                   failure_ = absl::InternalError(
                       absl::StrCat("only ", accepted, " of ", worker.tokens.size(), " results were accepted"));
                   return;
                 }
                 result_.all_evaluations += accepted;
                 if (measuring_) {
                   const SteadyTime now = Now();
                   result_.evaluations += accepted;
                   result_.completions.Add(now - worker.sent);
                   result_.rounds.Add(now - worker.due);
                 }
                 Next(worker);
               });
  }

  void Next(Worker& worker) {
    if (options_.rate > 0 && !waiting_.empty() && !stopping_) {
      const SteadyTime due = waiting_.front();
      waiting_.pop_front();
      Begin(worker, due);
    } else if (options_.rate > 0 || stopping_) {
      free_.push_back(&worker);
    } else {
      Begin(worker, Now());
    }
  }

  bool Check(const char* method, const grpc::Status& status) {
    if (!status.ok() && failure_.ok()) {
      failure_ = absl::UnavailableError(absl::StrCat(method, ": ", status.error_message()));
    }
    return failure_.ok();
  }

  EventLoop& loop_;
  const LoadOptions options_;
  const pid_t controller_;
  ResultWriter results_;
  std::vector<Worker> workers_;
  std::deque<Worker*> free_;
  // Due times of the evaluations that wait for a free worker.
  std::deque<SteadyTime> waiting_;
  SteadyTime begin_;
  std::uint64_t begun_ = 0;
  // Whether a timer is set.
  bool pacing_ = false;
  bool measuring_ = false;
  bool stopping_ = false;
  absl::Status failure_;
  LoadResult result_;
};

}  // namespace

absl::StatusOr<LoadResult> RunLoad(EventLoop& loop, const LoadOptions& options, pid_t controller) {
  return Load(loop, options, controller).Run();
}

}  // namespace layernas::bench
