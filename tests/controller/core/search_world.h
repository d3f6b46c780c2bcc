// A search under random commands. Workers complete, fail, die, repeat reports and are late; a user
// pauses and cancels; and the controller restarts at any moment from what it has written. Tests and
// fuzz targets use it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "controller/core/search.h"
#include "tests/controller/core/random_config.h"
#include "tests/controller/core/search_oracle.h"
#include "tests/controller/core/strategy_runs.h"
#include "tests/controller/support/draws.h"

namespace layernas::core {

struct Token {
  std::uint64_t number = 0;
  int attempt = 0;
  std::string worker;
};

// What TakeChanges() has written.
struct Disk {
  SearchStatus status;
  Position position;
  std::vector<std::uint64_t> best;
  std::deque<Candidate> candidates;
  std::vector<TableView> tables;
};

inline std::vector<std::uint64_t> BestOf(const Search& search) {
  std::vector<std::uint64_t> best;
  for (const BestWithinTarget& one : search.BestPerTarget()) best.push_back(one.candidate);
  return best;
}

class World {
 public:
  // `draws` must outlive this object. `stored` returns a candidate as it is after it was written
  // and read again.
  World(
      SearchConfig config, bool cancels, Draws& draws,
      std::function<Candidate(const Candidate&)> stored = [](const Candidate& candidate) { return candidate; })
      : random_(draws), config_(std::move(config)), cancels_(cancels), stored_(std::move(stored)) {
    search_ = std::make_unique<Search>(config_, now_.unix_ms);
    Write();
  }

  bool Over() const { return IsFinal(search_->state()); }
  const Search& search() const { return *search_; }

  // Executes one command, and checks all invariants after it.
  void Act() {
    Pass(Millis(random_.Below(10) == 0 ? random_.Below(20'000) : random_.Below(300)));
    const std::uint64_t command = random_.Below(1000);
    if (command < 350) {
      Lease();
    } else if (command < 600) {
      Complete(AnyToken());
    } else if (command < 700) {
      Fail(AnyToken());
    } else if (command < 750) {
      Release(AnyToken());
    } else if (command < 820) {
      Expire(AnyToken());
    } else if (command < 860) {
      Renew(AnyToken());
    } else if (command < 900) {
      Progress(AnyToken());
    } else if (command < 920) {
      (void)search_->Pause();
    } else if (command < 950) {
      (void)search_->Resume(now_.unix_ms);
    } else if (command < 970) {
      Work();
    } else if (command < 985) {
      search_->CheckTime(now_.unix_ms);
    } else if (command < 998) {
      Restart();
    } else if (cancels_) {
      (void)search_->Cancel(now_.unix_ms);
    }
    AfterCommand();
  }

  // Checks that workers which keep working bring any search to its end.
  void Finish() {
    (void)search_->Resume(now_.unix_ms);
    for (int round = 0; round < 5000 && !Over() && !::testing::Test::HasFatalFailure(); ++round) {
      search_->CheckTime(now_.unix_ms);
      Work();
      Lease();
      AfterCommand();
      if (round % 3 == 0 && !live_.empty()) {
        const Token token = AnyLive();
        random_.Below(5) == 0 ? Fail(token) : Complete(token);
        AfterCommand();
      }
      Pass(Millis(random_.Below(3000)));
    }
    ASSERT_TRUE(Over());
    Restart();
    CheckAll();
  }

 private:
  void Pass(Millis time) {
    now_.steady += time;
    now_.unix_ms += time.count();
  }

  std::string AnyWorker() { return "w" + std::to_string(random_.Below(4)); }

  Token AnyLive() { return std::next(live_.begin(), random_.Below(live_.size()))->second; }

  // Mostly returns a live lease, often an old one, and sometimes one that never existed.
  Token AnyToken() {
    const std::uint64_t which = random_.Below(10);
    if (which < 6 && !live_.empty()) return AnyLive();
    if (which < 9 && !granted_.empty()) return granted_[random_.Below(granted_.size())];
    return {random_.Below(search_->candidates().size() + 2), static_cast<int>(random_.Below(4)), AnyWorker()};
  }

  bool IsLive(const Token& token) const {
    const auto live = live_.find(token.number);
    return live != live_.end() && live->second.attempt == token.attempt;
  }

  bool WasGranted(const Token& token) const {
    const Candidate* candidate = search_->candidate(token.number);
    return candidate != nullptr && token.attempt >= 1 && token.attempt <= candidate->attempt;
  }

  // Returns whether the search, whose time is up, may only wait for this lost training to return.
  bool MayBeAwaited(const Token& token, const Candidate& before) const {
    return config_.duration.count() > 0 && before.state == CandidateState::kQueued && before.attempt == token.attempt &&
           ran_out_.contains({token.number, token.attempt}) && before.repeat_of == 0 && before.final_of == 0;
  }

  bool WasToMeasure(const Candidate& candidate, int attempt) const {
    return config_.measure_on && (candidate.measured_attempt == 0 || attempt <= candidate.measured_attempt);
  }

  std::optional<Candidate> Copy(const Token& token) const {
    const Candidate* candidate = search_->candidate(token.number);
    return candidate == nullptr ? std::nullopt : std::optional<Candidate>(*candidate);
  }

  void Lease() {
    const std::string worker = AnyWorker();
    const TaskKind kind = search_->kinds()[random_.Below(search_->kinds().size())];
    const std::size_t ready = search_->Ready(kind);
    const std::size_t known = search_->candidates().size();
    const SearchState state = search_->state();
    const Others others = random_.Below(4) == 0 ? Others::kNone : Others::kSome;
    const Candidate* candidate = search_->Lease(worker, "r", now_, kind, others);
    if (candidate == nullptr) return;
    ASSERT_EQ(state, SearchState::kRunning);
    ASSERT_GT(ready, 0u);
    ASSERT_FALSE(live_.contains(candidate->number)) << "two live attempts";
    ASSERT_EQ(candidate->worker, worker);
    ASSERT_EQ(search_->KindOf(*candidate), kind);
    if (candidate->number > known) {
      ASSERT_EQ(candidate->number, known + 1);
      ASSERT_EQ(candidate->attempt, 1);
    } else {
      ASSERT_EQ(candidate->attempt, disk_.candidates[candidate->number - 1].attempt + 1);
    }
    const Token token{candidate->number, candidate->attempt, worker};
    live_[token.number] = token;
    granted_.push_back(token);
  }

  Metrics AnyMetrics() {
    Metrics metrics = {{"accuracy", random_.Below(8) / 8.0}, {"latency_ms", static_cast<double>(random_.Below(20))}};
    switch (random_.Below(25)) {
      case 0:
        metrics.Set("accuracy", std::numeric_limits<double>::quiet_NaN());
        break;
      case 1:
        metrics = {{"latency_ms", *metrics.Find("latency_ms")}};
        break;
      case 2:
        metrics.Set("latency_ms", std::numeric_limits<double>::infinity());
        break;
      default:
        break;
    }
    return metrics;
  }

  static Metrics Finite(const Metrics& metrics) {
    Metrics finite;
    for (const auto& [name, value] : metrics) {
      if (std::isfinite(value)) finite.Set(name, value);
    }
    return finite;
  }

  Curve AnyCurve() {
    Curve curve;
    for (int epoch = 1; epoch <= 5; ++epoch) curve.push_back({epoch, static_cast<float>(random_.Below(8)) / 8});
    return curve;
  }

  void Complete(const Token& token) {
    const std::optional<Candidate> before = Copy(token);
    const bool repeat = before && before->state == CandidateState::kSucceeded && random_.Below(2) == 0;
    const Metrics metrics = repeat ? before->metrics : AnyMetrics();
    const bool measures = WasGranted(token) && WasToMeasure(*before, token.attempt);
    // Values that nothing depends on are omitted if they are not finite.
    const bool needs_cost = (measures || !config_.measure_on) && !config_.space.CostIsPerLayer();
    const bool diverged = (!measures && metrics.Find("accuracy") && std::isnan(*metrics.Find("accuracy"))) ||
                          (needs_cost && !std::isfinite(*metrics.Find("latency_ms")));
    const bool valid = (measures || metrics.Find("accuracy")) && !diverged;
    const Metrics finite = Finite(metrics);
    const auto verdict =
        search_->Complete(token.number, token.attempt, token.worker, {metrics, AnyCurve()}, now_).status;
    if (!WasGranted(token)) {
      ASSERT_EQ(verdict, CompletionVerdict::kRefused);
      ASSERT_EQ(Copy(token), before);
      return;
    }
    if (token.attempt <= before->measured_attempt) {
      const bool same =
          valid && (!finite.Find("latency_ms") || before->metrics.Find("latency_ms") == finite.Find("latency_ms"));
      ASSERT_EQ(verdict, same ? CompletionVerdict::kAccepted : CompletionVerdict::kRefused);
      ASSERT_EQ(Copy(token), before);
      return;
    }
    if (IsFinal(before->state)) {
      const bool same = before->state == CandidateState::kSucceeded && before->result_attempt == token.attempt &&
                        (config_.measure_on ? before->metrics.Find("accuracy") == finite.Find("accuracy")
                                            : before->metrics == finite);
      ASSERT_EQ(verdict, same ? CompletionVerdict::kAccepted : CompletionVerdict::kRefused);
      ASSERT_EQ(Copy(token), before);
      return;
    }
    ASSERT_EQ(verdict, valid ? CompletionVerdict::kAccepted : CompletionVerdict::kInvalid);
    const Candidate& after = *search_->candidate(token.number);
    if (valid && measures) {
      ASSERT_TRUE(Over() ||
                  after.state == (IsSpared(config_, after) ? CandidateState::kSkipped : CandidateState::kQueued));
      ASSERT_EQ(after.measured_attempt, before->attempt);
      Metrics measured;
      if (finite.Find("latency_ms")) measured.Set("latency_ms", *finite.Find("latency_ms"));
      ASSERT_EQ(after.metrics, measured);
    } else if (valid) {
      ASSERT_EQ(after.state, CandidateState::kSucceeded);
      Metrics joined = finite;
      if (const auto measured = before->metrics.Find("latency_ms")) joined.Set("latency_ms", *measured);
      ASSERT_EQ(after.metrics, joined);
    }
    if (valid || diverged || IsLive(token)) live_.erase(token.number);
  }

  void Fail(const Token& token) {
    const std::optional<Candidate> before = Copy(token);
    const FailureKind kind = random_.Below(4) == 0 ? FailureKind::kInfeasible : FailureKind::kEvaluator;
    const auto verdict =
        search_->Fail(token.number, token.attempt, token.worker, kind, "f" + std::to_string(random_.Below(3)), now_);
    if (!WasGranted(token) || IsFinal(before->state) || token.attempt <= before->measured_attempt) {
      ASSERT_EQ(Copy(token), before);
      return;
    }
    ASSERT_EQ(verdict.status, CompletionVerdict::kAccepted);
    if (kind == FailureKind::kInfeasible) {
      ASSERT_EQ(search_->candidate(token.number)->state, CandidateState::kInfeasible);
      live_.erase(token.number);
    } else if (IsLive(token)) {
      ASSERT_EQ(search_->candidate(token.number)->failures.size(), before->failures.size() + 1);
      live_.erase(token.number);
    } else if (!MayBeAwaited(token, *before) || !IsFinal(Copy(token)->state)) {
      ASSERT_EQ(Copy(token), before);
    } else {
      ASSERT_EQ(Copy(token)->state, CandidateState::kSkipped);
    }
  }

  void Release(const Token& token) {
    const std::optional<Candidate> before = Copy(token);
    search_->Release(token.number, token.attempt);
    if (!IsLive(token)) {
      std::optional<Candidate> expected = before;
      // A task that is returned after its lease expired was not lost, and is not resumed.
      if (expected && expected->state == CandidateState::kQueued && expected->attempt == token.attempt &&
          token.attempt > expected->measured_attempt && !expected->failures.empty() &&
          expected->failures.back().attempt == token.attempt &&
          expected->failures.back().kind == FailureKind::kWorkerLost) {
        expected->failures.pop_back();
        ran_out_.erase({token.number, token.attempt});
      }
      ASSERT_EQ(Copy(token), expected);
      return;
    }
    ASSERT_EQ(search_->candidate(token.number)->failures, before->failures);
    live_.erase(token.number);
  }

  void Expire(const Token& token) {
    const std::optional<Candidate> before = Copy(token);
    search_->Expire(token.number, token.attempt, now_, "it is gone");
    if (!IsLive(token)) {
      ASSERT_EQ(Copy(token), before);
      return;
    }
    ASSERT_EQ(search_->candidate(token.number)->failures.size(), before->failures.size() + 1);
    live_.erase(token.number);
    ran_out_.emplace(token.number, token.attempt);
  }

  void Renew(const Token& token) {
    const std::optional<Candidate> before = Copy(token);
    const bool go_on = search_->Renew(token.number, token.attempt, token.worker);
    if (!WasGranted(token) || IsFinal(before->state) || token.attempt <= before->measured_attempt) {
      ASSERT_FALSE(go_on);
      ASSERT_EQ(Copy(token), before);
      return;
    }
    const bool ran_out = ran_out_.contains({token.number, token.attempt});
    if (before->state == CandidateState::kQueued && before->attempt == token.attempt) {
      ASSERT_EQ(go_on, ran_out);
      const bool is_resumed = search_->candidate(token.number)->state == CandidateState::kLeased;
      const bool must = search_->state() == SearchState::kRunning;
      ASSERT_TRUE(!is_resumed || must || MayBeAwaited(token, *before));
      if (ran_out && before->worker == token.worker && (must || is_resumed)) {
        ASSERT_TRUE(is_resumed);
        live_[token.number] = token;
        ran_out_.erase({token.number, token.attempt});
        return;
      }
    } else {
      ASSERT_TRUE(go_on);
    }
    ASSERT_EQ(Copy(token), before);
  }

  void Progress(const Token& token) {
    const std::optional<Candidate> before = Copy(token);
    const CurvePoint point{1 + static_cast<int>(random_.Below(5)), static_cast<float>(random_.Below(8)) / 8};
    const bool go_on = search_->NoteProgress(token.number, token.attempt, {point}, 5, now_.unix_ms);
    if (!go_on) {
      ASSERT_TRUE(IsLive(token));
      ASSERT_GT(config_.early_stop.compared, 0);
      ASSERT_TRUE(before->repeat_of == 0 && before->final_of == 0 && !WasToMeasure(*before, token.attempt));
      ASSERT_LT(point.epoch, 5);
      ASSERT_EQ(search_->candidate(token.number)->state, CandidateState::kStopped);
      live_.erase(token.number);
      return;
    }
    if (IsLive(token) && (before->curve.empty() || before->curve.back().epoch < point.epoch)) {
      ASSERT_EQ(search_->candidate(token.number)->curve.back(), point);
    } else {
      ASSERT_EQ(Copy(token), before);
    }
  }

  // Starts a new controller that only has the disk.
  void Restart() {
    search_->CheckTime(now_.unix_ms);
    AfterCommand();
    auto restored = std::make_unique<Search>(config_, disk_.status, disk_.candidates);
    ASSERT_FALSE(restored->TakeChanges().Any());
    restored->CheckTime(now_.unix_ms);
    ASSERT_EQ(restored->state(), search_->state());
    ASSERT_EQ(restored->position(), search_->position());
    ASSERT_EQ(BestOf(*restored), BestOf(*search_));
    ASSERT_TRUE(View(restored->final_tables()) == View(search_->final_tables()));
    ASSERT_EQ(restored->growing_table().has_value(), search_->growing_table().has_value());
    if (search_->growing_table()) {
      ASSERT_TRUE(View(*restored->growing_table()) == View(*search_->growing_table()));
    }
    ASSERT_TRUE(std::equal(
        restored->frontier().points().begin(), restored->frontier().points().end(),
        search_->frontier().points().begin(), search_->frontier().points().end(),
        [](const auto& a, const auto& b) { return a.first == b.first && a.second.candidate == b.second.candidate; }));
    // Results of a computation are computed again.
    if (!std::holds_alternative<GuidedOptions>(config_.strategy)) {
      ASSERT_EQ(restored->Ready(), search_->Ready());
    }
    work_.reset();
    search_ = std::move(restored);
  }

  // Does a step of the computation that some strategies need: starts it, or delivers its result.
  void Work() {
    if (work_ == nullptr) {
      work_ = search_->StartWork(1 + random_.Below(4));
    } else {
      work_->Run();
      search_->FinishWork(*std::exchange(work_, nullptr), now_.unix_ms);
    }
  }

  void AfterCommand() {
    if (::testing::Test::HasFatalFailure()) return;
    if (Over()) live_.clear();
    if (search_->state() != SearchState::kRunning) {
      ASSERT_EQ(search_->Ready(), 0u);
    }
    Write();
    if (++commands_ % 16 == 0 || Over()) CheckAll();
  }

  // Writes the changes to the disk, where final states may not change.
  void Write() {
    const Changes changes = search_->TakeChanges();
    ASSERT_EQ(std::set<std::uint64_t>(changes.candidates.begin(), changes.candidates.end()).size(),
              changes.candidates.size());
    for (const std::uint64_t number : changes.candidates) {
      if (number > disk_.candidates.size()) disk_.candidates.resize(number);
      Candidate& stored = disk_.candidates[number - 1];
      ASSERT_FALSE(IsFinal(stored.state)) << "candidate " << number << " was final and changed";
      stored = stored_(*search_->candidate(number));
    }
    ASSERT_EQ(changes.new_tables_from, disk_.tables.size());
    for (std::size_t i = changes.new_tables_from; i < search_->final_tables().size(); ++i) {
      disk_.tables.push_back(View(search_->final_tables()[i]));
    }
    const bool record_changed =
        !(disk_.status == search_->status()) || disk_.position != search_->position() || disk_.best != BestOf(*search_);
    ASSERT_TRUE(changes.search || !record_changed);
    ASSERT_FALSE(record_changed && IsFinal(disk_.status.state)) << "the search had ended";
    disk_.status = search_->status();
    disk_.position = search_->position();
    disk_.best = BestOf(*search_);
  }

  void CheckAll() {
    if (::testing::Test::HasFatalFailure()) return;
    const auto& candidates = search_->candidates();
    // The progress of a training is not written.
    ASSERT_TRUE(std::equal(candidates.begin(), candidates.end(), disk_.candidates.begin(), disk_.candidates.end(),
                           [](Candidate known, Candidate stored) {
                             if (!IsFinal(known.state)) known.curve = stored.curve = {};
                             return known == stored;
                           }));
    ASSERT_TRUE(View(search_->final_tables()) == disk_.tables);
    for (const Candidate& candidate : candidates) {
      const auto live = live_.find(candidate.number);
      ASSERT_EQ(candidate.state == CandidateState::kLeased, live != live_.end()) << candidate.number;
      if (live != live_.end()) {
        ASSERT_EQ(live->second.attempt, candidate.attempt);
      }
    }
    CheckSearch(config_, *search_);
  }

  Draws& random_;
  const SearchConfig config_;
  const bool cancels_;
  const std::function<Candidate(const Candidate&)> stored_;
  Instant now_{SteadyTime(Millis(1'000'000)), 5'000'000};
  std::unique_ptr<Search> search_;
  std::unique_ptr<BackgroundWork> work_;
  Disk disk_;
  int commands_ = 0;

  // The model: by candidate, the leases that workers hold; all leases that ever existed; and those
  // that expired and may be resumed.
  std::map<std::uint64_t, Token> live_;
  std::vector<Token> granted_;
  std::set<std::pair<std::uint64_t, int>> ran_out_;
};

}  // namespace layernas::core
