// Fuzzes a controller's engine on a real store with commands made of bytes. There are several
// searches, workers that repeat calls, are late or die, users who pause, cancel and delete, a clock
// that jumps ahead, and restarts. Commands are sent in bursts, so that some share a turn.
// Everything that was acknowledged must stay, exactly once, and every search must end.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/log/log.h"
#include "controller/engine/check.h"
#include "controller/engine/engine.h"
#include "controller/spec/core_config.h"
#include "tests/controller/support/awaited.h"
#include "tests/controller/support/draws.h"
#include "tests/controller/support/fake_clock.h"
#include "tests/controller/support/specs.h"
#include "tests/controller/support/temp_dir.h"
#include "tests/fuzz/fuzz.h"

namespace layernas {
namespace {

using core::CandidateState;
using core::CompletionVerdict;
using Tasks = std::vector<LeasedTask>;
using Verdicts = std::vector<CompletionVerdict>;

constexpr Millis kLease{30'000};
constexpr std::size_t kMaxSearches = 4;
constexpr std::uint64_t kWorkers = 3;

absl::StatusOr<core::SearchConfig> ParseStoredSpec(std::string_view spec) { return ToCoreConfig(spec); }

class Fleet {
 public:
  explicit Fleet(std::string_view bytes) : draws_(bytes) {
    Start();
    Create();
  }

  void Run() {
    while (!draws_.empty()) {
      Command();
      if (draws_.Below(4) == 0) Settle();
    }
    Restart();
    Finish();
    CheckAll();
  }

 private:
  struct Lease {
    std::string worker;
    LeasedTask task;
  };
  struct Accepted {
    int attempt = 0;
    core::Metrics metrics;
  };
  struct Poll {
    std::string worker;
    std::string request_id;
    Engine::PollId id = 0;
    Awaited<Tasks> answer;
  };
  struct KnownSearch {
    std::size_t trainings = 0;
    // By candidate.
    std::map<std::uint64_t, Accepted> accepted;
  };

  void Start() {
    auto store = storage::Store::Open(temp_.Path("data"));
    FUZZ_CHECK(store.ok());
    store_ = *std::move(store);
    metrics_ = std::make_unique<ControllerMetrics>();
    auto engine = Engine::Create(*store_, {kLease, 10'000}, ParseStoredSpec, *metrics_, clock_);
    FUZZ_CHECK(engine.ok());
    engine_ = *std::move(engine);
  }

  void Restart() {
    Settle();
    engine_.reset();
    // A stopped engine has answered all its polls.
    TakeAnswers();
    FUZZ_CHECK(polls_.empty());
    store_.reset();
    Start();
    CheckAll();
  }

  void Command() {
    switch (draws_.Below(20)) {
      case 0:
        return Create();
      case 1:
        return clock_.Pass(Millis(draws_.Below(40'000)));
      case 2:
        return ChangeState();
      case 3:
        if (draws_.Below(4) == 0) Restart();
        return;
      case 4:
        return Beat();
      case 5:
        return Release();
      case 6:
        if (!polls_.empty()) engine_->CancelPoll(polls_[draws_.Below(polls_.size())].id);
        return;
      case 7:
      case 8:
        return Report(true);
      default:
        return draws_.Below(2) == 0 ? Ask() : Report(false);
    }
  }

  std::string AnyWorker() { return "w" + std::to_string(draws_.Below(kWorkers)); }

  void Create() {
    if (searches_.size() >= kMaxSearches) return;
    const int trainings = 1 + static_cast<int>(draws_.Below(8));
    v1::SearchSpec spec = draws_.Below(2) == 0 ? RandomSpec("r", trainings, 2, 3) : LayerNasSpec("l", 2, 3);
    spec.mutable_budget()->set_trainings(trainings);
    spec.mutable_budget()->set_initial_failures(1 + static_cast<int>(draws_.Below(6)));
    if (draws_.Below(8) == 0) spec.mutable_budget()->mutable_duration()->set_seconds(60);
    spec.mutable_evaluation()->set_attempts(1 + static_cast<int>(draws_.Below(3)));
    const std::string bytes = spec.SerializeAsString();
    const auto view = Await<SearchView>([&](auto reply) {
      engine_->CreateSearch({spec.name(), bytes, *ToCoreConfig(bytes), ""}, reply);
    });
    FUZZ_CHECK(view.ok());
    FUZZ_CHECK(!searches_.contains(view->name));
    searches_[view->name].trainings = static_cast<std::size_t>(trainings);
  }

  std::string AnySearch() {
    if (searches_.empty()) return "searches/none-99";
    return std::next(searches_.begin(), static_cast<std::ptrdiff_t>(draws_.Below(searches_.size())))->first;
  }

  void ChangeState() {
    const std::string name = AnySearch();
    const Reply<SearchView> ignored = [](const auto&) {};
    switch (draws_.Below(8)) {
      case 0:
        return engine_->CancelSearch(name, ignored);
      case 1:
        // Otherwise it would be unknown whether a report came before or after.
        Settle();
        engine_->DeleteSearch(name, ignored);
        Settle();
        if (const auto view = Get(name); absl::IsNotFound(view.status())) searches_.erase(name);
        return;
      case 2:
      case 3:
        return engine_->PauseSearch(name, ignored);
      default:
        return engine_->ResumeSearch(name, ignored);
    }
  }

  absl::StatusOr<SearchView> Get(const std::string& name) {
    return Await<SearchView>([&](auto reply) { engine_->GetSearch(name, reply); });
  }

  void Ask() {
    Poll poll;
    poll.worker = AnyWorker();
    poll.request_id = std::to_string(++requests_);
    // The answer was lost, so the request is repeated.
    if (draws_.Below(6) == 0 && !last_request_[poll.worker].empty()) poll.request_id = last_request_[poll.worker];
    last_request_[poll.worker] = poll.request_id;
    LeaseRequest request{{poll.worker, {}, 1, "test"}, 1 + static_cast<int>(draws_.Below(3)), poll.request_id, {}};
    request.deadline = clock_.Now() + (draws_.Below(2) == 0 ? Millis{0} : Millis{50'000});
    poll.id = engine_->LeaseTasks(request, poll.answer.reply());
    polls_.push_back(std::move(poll));
  }

  // Prefers recent leases.
  const Lease* AnyLease() {
    if (leases_.empty()) return nullptr;
    const std::size_t among = draws_.Below(3) == 0 ? leases_.size() : std::min<std::size_t>(leases_.size(), 4);
    return &leases_[leases_.size() - 1 - draws_.Below(among)];
  }

  void Report(bool failure) {
    const Lease* lease = AnyLease();
    if (lease == nullptr) return;
    layernas::Report report{FormatLeaseToken(lease->task.token), std::nullopt, core::FailureKind::kEvaluator, "why"};
    if (!failure) {
      core::Metrics metrics = Evaluate(lease->task.architecture);
      // Another run of the same training.
      if (draws_.Below(4) == 0) metrics.Set("accuracy", static_cast<double>(draws_.Below(8)) / 8);
      if (draws_.Below(24) == 0) metrics.Set("accuracy", std::numeric_limits<double>::quiet_NaN());
      report.result = metrics;
    } else if (draws_.Below(6) == 0) {
      report.failure = core::FailureKind::kInfeasible;
    }
    Awaited<Verdicts> answer;
    engine_->CompleteTasks(lease->worker, {report}, answer.reply());
    reports_.push_back({*lease, report, answer});
  }

  void Beat() {
    const std::string worker = AnyWorker();
    std::vector<HeldLease> held;
    for (const Lease& lease : leases_) {
      if (lease.worker != worker || draws_.Below(3) == 0) continue;
      held.push_back({FormatLeaseToken(lease.task.token)});
      const int epoch = static_cast<int>(draws_.Below(6));
      if (draws_.Below(2) == 0) held.back().progress = {epoch, 5, static_cast<double>(draws_.Below(10))};
    }
    engine_->Heartbeat({worker, {}, 1, "test"}, held, [size = held.size()](const auto& verdicts) {
      FUZZ_CHECK(verdicts.ok() && verdicts->size() == size);
    });
  }

  void Release() {
    const Lease* lease = AnyLease();
    if (lease == nullptr) return;
    engine_->ReleaseTasks(lease->worker, {FormatLeaseToken(lease->task.token)}, [](const auto&) {});
  }

  // Returns when the engine has done everything that it can do at the present time, and its answers
  // are checked.
  void Settle() {
    for (int i = 0; i < 2; ++i) {
      FUZZ_CHECK(Await<std::vector<WorkerView>>([this](auto reply) { engine_->ListWorkers("", 1, reply); }).ok());
    }
    TakeAnswers();
  }

  void TakeAnswers() {
    for (const PendingReport& pending : std::exchange(reports_, {})) CheckVerdict(pending);
    for (const Poll& poll : std::exchange(polls_, {})) {
      if (!poll.answer.Answered()) {
        polls_.push_back(poll);
        continue;
      }
      const absl::StatusOr<Tasks> tasks = poll.answer.Get();
      if (!tasks.ok()) continue;
      for (const LeasedTask& task : *tasks) NoteLease(poll, task);
    }
  }

  struct PendingReport {
    Lease lease;
    layernas::Report report;
    Awaited<Verdicts> answer;
  };

  void CheckVerdict(const PendingReport& pending) {
    const absl::StatusOr<Verdicts> verdicts = pending.answer.Get();
    FUZZ_CHECK(verdicts.ok() && verdicts->size() == 1);
    const auto search = searches_.find(pending.lease.task.search_name);
    const bool accepted = verdicts->at(0).status == CompletionVerdict::kAccepted;
    if (search == searches_.end() || !pending.report.result || !accepted) return;
    const LeaseToken& token = pending.lease.task.token;
    const auto [first, is_new] =
        search->second.accepted.try_emplace(token.number, Accepted{token.attempt, pending.report.result->metrics});
    // It must be the same report; otherwise the candidate has two results.
    FUZZ_CHECK(is_new || first->second.attempt == token.attempt);
    FUZZ_CHECK(is_new || first->second.metrics == pending.report.result->metrics);
  }

  void NoteLease(const Poll& poll, const LeasedTask& task) {
    // An attempt belongs to one worker. It is only given out twice if the same request is repeated.
    const auto key = std::pair(task.search_name, std::pair(task.token.number, task.token.attempt));
    const auto [first, is_new] = owners_.try_emplace(key, poll.worker, poll.request_id);
    FUZZ_CHECK(is_new || first->second == std::pair(poll.worker, poll.request_id));
    if (is_new) leases_.push_back({poll.worker, task});
  }

  std::vector<core::Candidate> Candidates(const std::string& name) {
    const auto page = Await<CandidatePage>([&](auto reply) { engine_->ListCandidates(name, {}, 0, 1'000, reply); });
    FUZZ_CHECK(page.ok());
    return page->page.items;
  }

  void CheckAll() {
    for (const auto& [name, known] : searches_) {
      const std::vector<core::Candidate> candidates = Candidates(name);
      FUZZ_CHECK(candidates.size() <= known.trainings);
      std::size_t succeeded = 0;
      for (const core::Candidate& candidate : candidates) {
        if (candidate.state == CandidateState::kSucceeded) ++succeeded;
        const auto accepted = known.accepted.find(candidate.number);
        if (accepted == known.accepted.end()) continue;
        FUZZ_CHECK(candidate.state == CandidateState::kSucceeded);
        FUZZ_CHECK(candidate.result_attempt == accepted->second.attempt);
        FUZZ_CHECK(candidate.metrics == accepted->second.metrics);
      }
      FUZZ_CHECK(succeeded == known.accepted.size());
    }
    const auto report = CheckStore(*store_, ParseStoredSpec);
    FUZZ_CHECK(report.ok());
    for (const std::string& problem : report->problems) std::fprintf(stderr, "%s\n", problem.c_str());
    FUZZ_CHECK(report->problems.empty());
    FUZZ_CHECK(report->searches == searches_.size());
  }

  // Checks that workers that keep working bring every search to its end.
  void Finish() {
    for (const auto& [name, known] : searches_) engine_->ResumeSearch(name, [](const auto&) {});
    for (int round = 0; round < 1000; ++round) {
      bool over = true;
      for (const auto& [name, known] : searches_) over = over && core::IsFinal(Get(name)->state);
      if (over) return;
      const std::size_t leased = leases_.size();
      for (std::uint64_t i = 0; i < kWorkers; ++i) {
        polls_.push_back({"w" + std::to_string(i), std::to_string(++requests_), 0, {}});
        const Poll& poll = polls_.back();
        engine_->LeaseTasks({{poll.worker, {}, 4, "test"}, 4, poll.request_id, clock_.Now()}, poll.answer.reply());
      }
      Settle();
      for (std::size_t i = leased; i < leases_.size(); ++i) {
        const layernas::Report report{
            FormatLeaseToken(leases_[i].task.token), Evaluate(leases_[i].task.architecture), {}, ""};
        Awaited<Verdicts> answer;
        engine_->CompleteTasks(leases_[i].worker, {report}, answer.reply());
        reports_.push_back({leases_[i], report, answer});
      }
      clock_.Pass(kLease);
      Settle();
    }
    FUZZ_CHECK(!"every search has ended");
  }

  ByteDraws draws_;
  TempDir temp_;
  FakeClock clock_;
  std::unique_ptr<ControllerMetrics> metrics_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Engine> engine_;

  int requests_ = 0;
  std::map<std::string, std::string> last_request_;
  std::map<std::string, KnownSearch> searches_;
  std::vector<Lease> leases_;
  // For each attempt: worker and request.
  std::map<std::pair<std::string, std::pair<std::uint64_t, int>>, std::pair<std::string, std::string>> owners_;
  std::vector<PendingReport> reports_;
  std::vector<Poll> polls_;
};

}  // namespace
}  // namespace layernas

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // The shared test code checks with GoogleTest's assertions.
  GTEST_FLAG_SET(break_on_failure, true);
  static_cast<void>(layernas::log::Init("engine_fuzz", "error"));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layernas::Fleet(layernas::fuzz::View(data, std::min<std::size_t>(size, 600))).Run();
  return 0;
}
