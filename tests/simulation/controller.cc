#include "tests/simulation/controller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace layernas::simulation {
namespace {

// Longer than in the real controller. It only influences how late a timeout is noticed.
constexpr Millis kTick{1'000};
constexpr Millis kLeaseDuration{9'000};

// One object for all worlds, because creating it takes longer than a world.
ControllerMetrics& Metrics() {
  static auto* metrics = new ControllerMetrics();
  return *metrics;
}

}  // namespace

class Controller::HandExecutor final : public Executor {
 public:
  HandExecutor(Controller& controller, bool is_solver) : controller_(controller), is_solver_(is_solver) {}

  void Post(std::function<void()> work) override {
    if (is_solver_ && controller_.solving_) controller_.solving_();
    // Keeps the events in order.
    until_ = std::max(until_, controller_.timeline_.Now()) +
             controller_.draw_.Time(Millis{0}, is_solver_ ? Millis{200} : Millis{5});
    controller_.InProcess(until_, [this, work = std::move(work)] {
      work();
      controller_.Nudge();
    });
  }

 private:
  Controller& controller_;
  const bool is_solver_;
  SteadyTime until_;
};

class Controller::HandCommitter final : public Committer {
 public:
  explicit HandCommitter(Controller& controller) : controller_(controller) {}

  void Post(Turn turn) override { controller_.Post(std::move(turn)); }
  std::size_t unwritten() const override { return controller_.unwritten_.size(); }
  std::optional<SteadyTime> writing_since() const override {
    return controller_.unwritten_.empty() ? std::nullopt : std::optional(controller_.unwritten_since_);
  }

 private:
  Controller& controller_;
};

Controller::Controller(std::uint64_t seed, Timeline& timeline, Story& story, Configs& configs, Died died)
    : draw_({seed, 0xc0}),
      timeline_(timeline),
      story_(story),
      configs_(configs),
      died_(std::move(died)),
      book_(configs, story, timeline),
      store_(std::make_unique<storage::MemoryStore>(draw_.Number())) {}

Controller::~Controller() = default;

void Controller::InProcess(SteadyTime time, std::function<void()> event) {
  timeline_.At(time, [this, process = process_, event = std::move(event)] {
    if (process == process_ && up()) event();
  });
}

absl::StatusOr<core::SearchConfig> Controller::Parse(std::string_view spec) {
  if (refused_.contains(std::string(spec))) return absl::DataLossError("this version does not take it");
  return configs_.Of(std::string(spec));
}

std::uint64_t Controller::LineageOf(std::uint64_t search) {
  if (!lineages_.contains(search)) {
    const auto loaded = store_->LoadSearches();
    for (std::size_t i = 0; loaded.ok() && i < loaded->size(); ++i) {
      const storage::StoredSearch& one = (*loaded)[i].search;
      lineages_[one.id] = TokenLineage(*store_->Lineage(), one);
    }
  }
  const auto found = lineages_.find(search);
  return found == lineages_.end() ? 0 : found->second;
}

void Controller::Start() {
  store_->Restart();
  ++process_;
  turn_is_due_ = false;
  write_is_due_ = false;
  answered_until_ = timeline_.Now();
  lineages_.clear();
  story_.Tell("controller: starts, process ", process_);
  book_.Restarted(*store_);
  EngineOptions options;
  options.lease_duration = kLeaseDuration;
  EngineThreads threads;
  threads.reader = std::make_unique<HandExecutor>(*this, false);
  threads.reclaimer = std::make_unique<HandExecutor>(*this, false);
  threads.committer = std::make_unique<HandCommitter>(*this);
  threads.solver = std::make_unique<HandExecutor>(*this, true);
  auto engine = Engine::CreateByHand(
      *store_, options, [this](std::string_view spec) { return Parse(spec); }, Metrics(), timeline_,
      std::move(threads));
  if (!engine.ok()) {
    story_.Find("liveness", absl::StrCat("the controller does not start: ", engine.status().message()));
    return;
  }
  engine_ = *std::move(engine);
  calls_ = std::make_unique<WorkerCalls>(*engine_, timeline_);
  TakeTurn();
  Tick(process_);
}

void Controller::Tick(std::uint64_t process) {
  InProcess(timeline_.Now() + kTick, [this, process] {
    TakeTurn();
    if (up()) Tick(process);
  });
}

void Controller::Kill() {
  if (!up()) return;
  story_.Tell("controller: dies");
  store_->CrashNow();
  ++process_;
  calls_.reset();
  engine_.reset();
  unwritten_.clear();
  died_();
}

void Controller::KillInCommit() {
  storage::Crash crash;
  crash.point = static_cast<storage::Crash::Point>(draw_.Between(0, 2));
  crash.written = draw_.Index(3);
  crash.power_lost = draw_.Chance(0.5);
  story_.Tell("controller: will die at its next write, at point ", static_cast<int>(crash.point));
  store_->CrashInNextCommit(crash);
}

void Controller::Nudge() {
  if (turn_is_due_ || !up() || !engine_->HasCommands()) return;
  turn_is_due_ = true;
  InProcess(timeline_.Now() + draw_.Time(Millis{0}, Millis{2}), [this] { TakeTurn(); });
}

void Controller::TakeTurn() {
  turn_is_due_ = false;
  engine_->TakeTurn();
  // Handles what a turn has submitted itself.
  Nudge();
}

void Controller::Post(Turn turn) {
  if (unwritten_.empty()) unwritten_since_ = timeline_.Now();
  unwritten_.push_back(std::move(turn));
  if (std::exchange(write_is_due_, true)) return;
  const Millis delay = draw_.Chance(0.05) ? draw_.Time(Millis{10}, Millis{500}) : draw_.Time(Millis{0}, Millis{5});
  InProcess(timeline_.Now() + delay, [this, process = process_] { Write(process); });
}

void Controller::HangDisk(Millis duration) { disk_hangs_until_ = timeline_.Now() + duration; }

void Controller::Write(std::uint64_t process) {
  if (timeline_.Now() < disk_hangs_until_) {
    const SteadyTime again = std::min(disk_hangs_until_, timeline_.Now() + Millis{200});
    InProcess(again, [this, process] { Write(process); });
    return;
  }
  write_is_due_ = false;
  std::vector<storage::Batch> batches;
  std::vector<Records> records;
  std::vector<std::function<void()>> answers;
  for (Turn& turn : std::exchange(unwritten_, {})) {
    std::move(turn.answers.begin(), turn.answers.end(), std::back_inserter(answers));
    if (turn.batch.empty()) continue;
    records.push_back(RecordsOf(turn.batch));
    batches.push_back(std::move(turn.batch));
  }
  if (!batches.empty() && !store_->Commit(std::move(batches)).ok()) {
    Kill();
    return;
  }
  for (const Records& one : records) book_.Written(one);
  // A start that a hanging disk has delayed is observed late.
  if (timeline_.Now() - disk_hangs_until_ < Millis{1'000}) book_.TimeIsUnknown();
  if (answers.empty()) return;
  answered_until_ = std::max(answered_until_, timeline_.Now()) + draw_.Time(Millis{0}, Millis{2});
  InProcess(answered_until_, [this, process, answers = std::move(answers)] { Answer(process, answers); });
}

void Controller::Answer(std::uint64_t process, std::vector<std::function<void()>> answers) {
  // The process sometimes dies between two of them.
  const std::size_t given =
      dies_between_answers_ && draw_.Chance(0.001) ? draw_.Index(answers.size() + 1) : answers.size();
  for (std::size_t i = 0; i < given && process == process_; ++i) answers[i]();
  if (given < answers.size()) {
    Kill();
    return;
  }
  Nudge();
}

void Controller::BackUp() {
  backup_ = absl::StrCat("backup-", ++backups_);
  if (!store_->CopyTo(backup_).ok()) return;
  accepted_at_backup_ = book_.accepted();
  story_.Tell("controller: is backed up");
}

void Controller::RestoreBackup() {
  store_->Restart();
  store_ = store_->OpenCopy(backup_);
  backup_.clear();
  story_.Tell("controller: its disk is put back to the backup");
  book_.Replaced(*store_, std::move(accepted_at_backup_));
}

void Controller::UseEmptyStore() {
  store_ = std::make_unique<storage::MemoryStore>(draw_.Number());
  backup_.clear();
  story_.Tell("controller: has an empty disk");
  book_.Replaced(*store_, {});
}

}  // namespace layernas::simulation
