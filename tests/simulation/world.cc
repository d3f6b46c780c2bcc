#include "tests/simulation/world.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/label.h"
#include "controller/engine/store_clock.h"
#include "tests/simulation/spec_drawing.h"

namespace layernas::simulation {
namespace {

constexpr int kEvaluators = 4;
// Longer than any shunning, back-off and evaluation together.
constexpr Millis kStalled{900'000};
constexpr Millis kLongestIdle{20'000};

bool Fits(const std::map<std::string, std::string>& labels, const std::map<std::string, std::string>& require) {
  return std::all_of(require.begin(), require.end(), [&](const auto& one) {
    const auto label = labels.find(one.first);
    return label != labels.end() && label->second == one.second;
  });
}

}  // namespace

bool World::Faults::Any() const {
  return controller_deaths + disk_swaps + disk_hangs + worker_deaths + network_cuts + clock_jumps + wrong_clocks +
             meddling + twins + bad_workers + trouble + network.loss + network.doubling >
         0;
}

World::World(std::uint64_t seed, Story::Mode mode)
    : seed_(seed),
      draw_({seed, 0x1}),
      story_(mode, timeline_),
      controller_(seed, timeline_, story_, configs_,
                  [this] {
                    network_.ControllerDied();
                    for (const auto& reader : readers_) reader->Forget();
                    RestartLater();
                  }),
      network_(seed, timeline_, story_, controller_),
      people_(seed, kEvaluators, story_, configs_, controller_) {
  controller_.book().set_others_fit([this](const Book::Search& search, const std::string& worker, Millis for_so_long) {
    return OthersFit(search, worker, for_so_long);
  });
  controller_.book().set_begun([this](const Book::Search& search) { CheckDemand(search); });
  controller_.set_solving([this] { NoteDemand(); });
}

World::~World() = default;

void World::DrawFaults() {
  // With fewer kinds of faults, more can be checked.
  const double density = draw_.Chance(0.5) ? 0.35 : 1;
  const auto maybe = [this, density](double chance, double most) {
    return draw_.Chance(chance * density) ? draw_.Uniform() * most : 0;
  };
  // A client that reads seldom only sees a restored history when it has advanced.
  faults_.reading = draw_.Chance(0.5) ? maybe(0.5, 3) : maybe(0.5, 30);
  if (draw_.Chance(0.2)) return;
  faults_.controller_deaths = maybe(0.4, 3);
  faults_.disk_swaps = maybe(0.4, 3);
  faults_.disk_hangs = maybe(0.3, 2);
  faults_.worker_deaths = maybe(0.4, 4);
  faults_.network_cuts = maybe(0.3, 4);
  faults_.clock_jumps = maybe(0.2, 2);
  faults_.wrong_clocks = maybe(0.5, 1);
  faults_.meddling = maybe(0.5, 20);
  faults_.twins = maybe(0.3, 2);
  faults_.bad_workers = maybe(0.25, 0.7);
  faults_.trouble = maybe(0.4, 0.4);
  faults_.network.loss = maybe(0.4, 0.2);
  faults_.network.doubling = maybe(0.4, 0.2);
  faults_.network.delay = Millis{draw_.Between(1, draw_.Chance(0.2) ? 3'000 : 50)};
}

WorkerTraits World::DrawTraits() {
  WorkerTraits traits;
  traits.id = absl::StrCat("w", workers_.size() + 1);
  traits.labels["worker"] = traits.id;
  if (draw_.Chance(0.7)) traits.labels["zone"] = draw_.Chance(0.5) ? "a" : "b";
  traits.slots = draw_.Chance(0.7) ? draw_.Between(1, 2) : draw_.Between(3, 8);
  traits.is_bad = draw_.Chance(faults_.bad_workers);
  traits.trouble = faults_.trouble;
  traits.pace = Millis{draw_.Between(500, 6'000)};
  return traits;
}

void World::AddWorker(WorkerTraits traits) {
  workers_.push_back(
      std::make_unique<Worker>(workers_.size() + 1, std::move(traits), seed_, timeline_, story_, network_));
  if (is_calm_) workers_.back()->Heal();
  workers_.back()->Start();
}

WorldResult World::Run() {
  DrawFaults();
  network_.set_quality(faults_.network);
  controller_.set_dies_between_answers(faults_.controller_deaths > 0);
  StartAll();
  const bool fine = RunFor(draw_.Time(Millis{20'000}, Millis{150'000}));
  if (fine) {
    CalmDown();
    if (RunUntilAllEnded() && CheckFeeds() && ProbeWorkers()) {
      controller_.book().CheckAccepted();
      CheckLostLeases();
      story_.Tell("the end");
    }
  }
  return {story_.finding(), story_.hash()};
}

void World::StartAll() {
  controller_.Start();
  controller_up_since_ = timeline_.Now();
  const int workers = draw_.Between(1, 4);
  for (int i = 0; i < workers; ++i) {
    timeline_.After(draw_.Chance(0.7) ? draw_.Time(Millis{0}, Millis{500}) : draw_.Time(Millis{0}, Millis{60'000}),
                    [this] { AddWorker(DrawTraits()); });
  }
  const int searches = draw_.Chance(0.5) ? 1 : draw_.Between(2, 4);
  for (int i = 0; i < searches; ++i) {
    timeline_.After(draw_.Chance(0.7) ? draw_.Time(Millis{0}, Millis{1'000}) : draw_.Time(Millis{0}, Millis{60'000}),
                    [this] {
                      if (!is_calm_) people_.WantAnother();
                    });
  }
  Repeat(30, [this] { people_.SubmitWanted(); });
  Repeat(12, [this] { CheckIdleWorkers(); });
  Repeat(faults_.reading, [this] { ReadFeeds(); });
  Repeat(faults_.meddling, [this] { people_.Meddle(); });
  Repeat(faults_.controller_deaths, [this] { KillController(); });
  Repeat(faults_.disk_swaps, [this] { SwapDisk(); });
  Repeat(faults_.disk_hangs, [this] { HangDisk(); });
  Repeat(faults_.worker_deaths, [this] { KillWorker(); });
  Repeat(faults_.twins, [this] { AddTwin(); });
  Repeat(faults_.clock_jumps, [this] { SetClock(); });
  Repeat(faults_.network_cuts, [this] {
    if (workers_.empty()) return;
    const std::size_t cut = draw_.Index(workers_.size());
    const Millis duration = draw_.Time(Millis{500}, Millis{30'000});
    story_.Tell("network: worker ", cut + 1, " is cut off for ", duration.count(), " ms");
    network_.Cut(cut + 1, duration);
  });
}

bool World::RunFor(Millis duration) {
  bool is_over = false;
  timeline_.After(duration, [&is_over] { is_over = true; });
  while (!is_over && !story_.finding()) {
    if (!timeline_.Step()) break;
  }
  return !story_.finding();
}

void World::Repeat(double per_minute, const std::function<void()>& event) {
  // Less often than once in some hours counts as never.
  if (per_minute < 0.01) return;
  const auto mean = static_cast<int>(60'000 / per_minute);
  timeline_.After(draw_.Time(Millis{1}, Millis{2 * mean}), [this, per_minute, event] {
    if (is_calm_) return;
    event();
    Repeat(per_minute, event);
  });
}

void World::RestartLater() {
  if (std::exchange(restart_is_due_, true)) return;
  const Millis down = is_calm_ ? Millis{100} : draw_.Time(Millis{50}, Millis{draw_.Chance(0.2) ? 40'000 : 3'000});
  timeline_.After(down, [this] {
    restart_is_due_ = false;
    if (!is_calm_ && !clock_is_wrong_ && draw_.Chance(faults_.wrong_clocks)) {
      StartWithWrongClock();
    } else {
      controller_.Start();
    }
    controller_up_since_ = timeline_.Now();
  });
}

void World::StartWithWrongClock() {
  // Behind, or so far ahead that the controller can tell.
  const Millis by = draw_.Chance(0.5) ? Millis{-draw_.Between(10'000, 3'600'000)}
                                      : StoreClock::kSoon + Millis{draw_.Between(60'000, 3'600'000)};
  story_.Tell("clock: is wrong by ", by.count(), " ms when the controller starts");
  timeline_.SetUnixClock(by);
  clock_is_wrong_ = true;
  controller_.Start();
  const std::uint64_t process = controller_.process();
  const Millis duration = draw_.Time(Millis{500}, Millis{draw_.Chance(0.7) ? 10'000 : 200'000});
  timeline_.After(duration, [this, by, process, since = timeline_.Now()] {
    story_.Tell("clock: is set right");
    timeline_.SetUnixClock(-by);
    clock_is_wrong_ = false;
    // No process that sees this knows which searches started meanwhile.
    if (controller_.process() != process || !controller_.up()) controller_.book().TimeIsUnknown(since);
  });
}

void World::KillController() {
  if (!controller_.up()) return;
  controller_.Refuse({});
  if (draw_.Chance(0.15)) {
    if (const auto spec = people_.PickSpec()) controller_.Refuse({*spec});
  }
  if (draw_.Chance(0.2)) {
    story_.Tell("controller: drains");
    controller_.engine().Drain();
    controller_.Nudge();
    timeline_.After(draw_.Time(Millis{10}, Millis{2'000}), [this, since = controller_up_since_] {
      if (since == controller_up_since_) controller_.Kill();
    });
  } else if (draw_.Chance(0.6)) {
    controller_.KillInCommit();
  } else {
    controller_.Kill();
  }
}

void World::SwapDisk() {
  if (!controller_.up()) return;
  if (draw_.Chance(0.4)) {
    controller_.BackUp();
    return;
  }
  const bool restore = controller_.HasBackup() && draw_.Chance(0.6);
  if (!restore && draw_.Chance(0.4)) return;
  controller_.Kill();
  if (restore) {
    controller_.RestoreBackup();
  } else {
    controller_.UseEmptyStore();
    // The numbers of a new store mean nothing to them.
    readers_.clear();
  }
  people_.LookAgain();
}

void World::KillWorker() {
  if (workers_.empty()) return;
  Worker& worker = *workers_[draw_.Index(workers_.size())];
  if (!worker.alive()) return;
  const bool comes_back = draw_.Chance(0.8);
  if (draw_.Chance(0.3)) {
    if (draw_.Chance(0.5)) worker.TellEvaluatorsToEnd();
    worker.Drain();
  } else {
    worker.Kill();
  }
  if (!comes_back) return;
  timeline_.After(draw_.Time(Millis{100}, Millis{30'000}), [this, traits = worker.traits()] { AddWorker(traits); });
}

void World::AddTwin() {
  if (workers_.empty() || workers_.size() > 12) return;
  // Under the id of a worker that is still running.
  const WorkerTraits traits = workers_[draw_.Index(workers_.size())]->traits();
  // The controller takes one for the restart of the other whenever it first hears of both: at once,
  // and in the process of the calm time.
  bearable_losses_ += 2 * traits.slots;
  AddWorker(traits);
}

void World::HangDisk() {
  const Millis duration = draw_.Time(Millis{1'000}, Millis{60'000});
  story_.Tell("disk: hangs for ", duration.count(), " ms");
  controller_.HangDisk(duration);
}

void World::SetClock() {
  const Millis by{draw_.Between(-3'600'000, 3'600'000)};
  story_.Tell("clock: is set by ", by.count(), " ms");
  timeline_.SetUnixClock(by);
  // A controller that does not run, or is about to die, cannot notice it.
  controller_.book().TimeIsUnknown();
}

void World::CalmDown() {
  story_.Tell("calm");
  is_calm_ = true;
  network_.set_quality({});
  controller_.Refuse({});
  controller_.set_dies_between_answers(false);
  controller_.HangDisk(Millis{0});
  // Specs that the last version could not continue are served again.
  controller_.Kill();
  for (const auto& worker : workers_) worker->Heal();
  for (const char* zone : {"a", "b", "late"}) {
    WorkerTraits traits;
    traits.id = absl::StrCat("healthy-", zone);
    traits.labels = {{"worker", traits.id}, {"zone", zone}};
    AddWorker(traits);
  }
}

bool World::HasOpenSearch() const {
  const auto& searches = const_cast<Controller&>(controller_).book().searches();
  return std::any_of(searches.begin(), searches.end(), [](const auto& one) { return one.second.IsOpen(); });
}

std::string World::OpenSearches() const {
  std::string text;
  for (const auto& [id, search] : const_cast<Controller&>(controller_).book().searches()) {
    if (!search.IsOpen()) continue;
    absl::StrAppend(&text, " ", id, " (", search.candidates.size(), " candidates, ",
                    search.Under(core::CandidateState::kLeased), " leased, ",
                    search.Under(core::CandidateState::kQueued), " queued)");
  }
  return text;
}

bool World::RunUntilAllEnded() {
  SteadyTime progress = timeline_.Now();
  while (true) {
    if (!RunFor(Millis{5'000})) return false;
    people_.SubmitWanted();
    people_.ResumeAll();
    if (controller_.up() && people_.IsAllSubmitted() && !HasOpenSearch()) return true;
    for (const auto& [id, search] : controller_.book().searches()) progress = std::max(progress, search.changed);
    CheckIdleWorkers();
    if (timeline_.Now() - progress > kStalled) {
      story_.Find("liveness", absl::StrCat("nothing happens any more, and open is", OpenSearches()));
      return false;
    }
  }
}

void World::CheckIdleWorkers() {
  // Without faults, no worker is shunned or backs off.
  if (faults_.Any() || !controller_.up()) return;
  for (const auto& [id, search] : controller_.book().searches()) {
    if (search.stored.state != core::SearchState::kRunning) continue;
    if (timeline_.Now() - search.changed < kLongestIdle) continue;
    if (search.Under(core::CandidateState::kLeased) > 0) continue;
    for (const auto& [call, parked] : network_.parked()) {
      const auto& labels = workers_[parked.worker - 1]->labels();
      if (timeline_.Now() - parked.since < kLongestIdle || !Fits(labels, search.config->require)) continue;
      if (search.config->measure_on && !Fits(labels, *search.config->measure_on)) continue;
      story_.Find("liveness", absl::StrCat("worker ", parked.worker, " is idle, and search ", id, " is open"));
    }
  }
}

bool World::ProbeWorkers() {
  for (const auto& worker : workers_) {
    if (worker->serves()) people_.Want(ProbeSpec(worker->traits().id));
  }
  if (!RunUntilAllEnded()) return false;
  // The next heartbeats cancel superseded attempts.
  if (!RunFor(Millis{20'000})) return false;
  for (const auto& worker : workers_) {
    if (worker->alive() && worker->busy_slots() > 0) {
      story_.Find("liveness", absl::StrCat("worker ", worker->number(), " is busy, and there is nothing to do"));
    }
  }
  return !story_.finding() && CheckWorkersShown();
}

bool World::CheckWorkersShown() {
  // Two workers with one id are only distinguished after each was heard after the other. Idle ones
  // call every twenty seconds.
  std::set<std::string> ids;
  for (const auto& worker : workers_) ids.insert(worker->traits().id);
  if (ids.size() < workers_.size() && !RunFor(Millis{60'000})) return false;
  // A worker that has just started may not be known yet.
  const SteadyTime heard_since = timeline_.Now() - Millis{10'000};
  const auto serving = std::count_if(workers_.begin(), workers_.end(), [heard_since](const auto& one) {
    return one->serves() && one->started() <= heard_since;
  });
  controller_.engine().ListWorkers("", 1'000, [this, serving](const absl::StatusOr<std::vector<WorkerView>>& shown) {
    if (!shown.ok() || static_cast<std::int64_t>(shown->size()) >= serving) return;
    story_.Find("justice", absl::StrCat(shown->size(), " workers are shown, and there are ", serving));
  });
  controller_.Nudge();
  return RunFor(Millis{1'000});
}

bool World::OthersFit(const Book::Search& search, const std::string& name, Millis for_so_long) const {
  const SteadyTime now = timeline_.Now();
  // Otherwise the controller may not know which workers exist.
  if (faults_.network.loss > 0 || faults_.network_cuts > 0 || now - controller_up_since_ < for_so_long) return false;
  // A write that ends now may have hung, so its contents may have been decided long ago.
  if (faults_.disk_hangs > 0) return false;
  return std::any_of(workers_.begin(), workers_.end(), [&](const std::unique_ptr<Worker>& worker) {
    return worker->serves() && now - worker->started() > for_so_long && !name.starts_with(worker->traits().id) &&
           Fits(worker->labels(), search.config->require) &&
           (!search.config->measure_on || Fits(worker->labels(), *search.config->measure_on));
  });
}

void World::NoteDemand() {
  computing_ = 0;
  // Users may change the limits at any time, and a new search may be the one that computes.
  if (faults_.meddling > 0 || is_calm_ || !people_.IsAllSubmitted()) return;
  const Book::Search* only = nullptr;
  for (const auto& [id, search] : controller_.book().searches()) {
    if (!search.IsOpen() || !std::holds_alternative<core::GuidedOptions>(search.config->strategy)) continue;
    if (only != nullptr) return;
    only = &search;
  }
  if (only == nullptr) return;
  const auto& require = only->config->measure_on ? *only->config->measure_on : only->config->require;
  computing_ = only->stored.id;
  demanded_ = 0;
  for (const auto& [call, parked] : network_.parked()) {
    if (Fits(workers_[parked.worker - 1]->labels(), require)) demanded_ += parked.request.max_tasks();
  }
  if (const int most = only->config->sharing.max_running; most > 0) demanded_ = std::min<std::int64_t>(demanded_, most);
  story_.Tell("search ", computing_, ": computes proposals for ", demanded_, " slots");
}

void World::CheckDemand(const Book::Search& search) {
  if (search.stored.id != computing_ || faults_.controller_deaths > 0 || faults_.disk_swaps > 0) return;
  if (--demanded_ >= 0) return;
  story_.Find("late choice",
              absl::StrCat("search ", search.stored.id, " begins more than was waited for when it chose"));
}

void World::ReadFeeds() {
  constexpr std::size_t kMaxReaders = 3;
  for (const auto& [id, search] : controller_.book().searches()) {
    const std::string name = SearchName(search.stored.slug, id);
    const bool is_read = std::any_of(readers_.begin(), readers_.end(),
                                     [&name](const std::unique_ptr<FeedReader>& one) { return one->name() == name; });
    if (is_read || readers_.size() == kMaxReaders) continue;
    readers_.push_back(std::make_unique<FeedReader>(name, story_, controller_));
  }
  for (const auto& reader : readers_) reader->Read();
}

bool World::CheckFeeds() {
  if (readers_.empty()) return true;
  for (int i = 0; i < 20; ++i) {
    ReadFeeds();
    if (!RunFor(Millis{1'500})) return false;
  }
  for (const auto& reader : readers_) reader->Check();
  return !story_.finding();
}

void World::CheckLostLeases() {
  if (faults_.network.loss > 0 || faults_.network.doubling > 0 || faults_.network_cuts > 0 ||
      faults_.worker_deaths > 0 || faults_.network.delay > Millis{100} || faults_.controller_deaths > 0 ||
      faults_.disk_swaps > 0) {
    return;
  }
  // A process that takes over another's id is first mistaken for its restart.
  if (controller_.book().lost_leases() <= bearable_losses_) return;
  story_.Find("justice", absl::StrCat(controller_.book().lost_leases(), " leases were lost, and no worker"));
}

}  // namespace layernas::simulation
