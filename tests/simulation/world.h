// One simulated world: a controller, its workers, users, and faults.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/controller.h"
#include "tests/simulation/feed_reader.h"
#include "tests/simulation/network.h"
#include "tests/simulation/people.h"
#include "tests/simulation/story.h"
#include "tests/simulation/worker.h"

namespace layernas::simulation {

struct WorldResult {
  // "invariant: what is wrong", or nothing.
  std::optional<std::string> finding;
  // The hash of the story. It is the same for each run with the same seed.
  std::uint64_t hash = 0;
};

// A world is a pure function of its seed. First there is a time with faults, then one without. At
// its end, everything must be finished.
class World {
 public:
  World(std::uint64_t seed, Story::Mode mode);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Call this once.
  WorldResult Run();

 private:
  // The faults of this world, as events per minute unless stated otherwise. Some worlds have none.
  struct Faults {
    double controller_deaths = 0;
    double disk_swaps = 0;
    double disk_hangs = 0;
    double worker_deaths = 0;
    double network_cuts = 0;
    double clock_jumps = 0;
    // The share of the controller's starts.
    double wrong_clocks = 0;
    double meddling = 0;
    double twins = 0;
    // Not a fault: how often clients read changes.
    double reading = 0;
    // The shares of workers and of evaluations.
    double bad_workers = 0;
    double trouble = 0;
    Network::Quality network;

    bool Any() const;
  };

  void DrawFaults();
  void AddWorker(WorkerTraits traits);
  WorkerTraits DrawTraits();
  void StartAll();
  // Runs the events of that time. Returns false as soon as there is a finding.
  bool RunFor(Millis duration);

  // Causes the event at about that rate, as long as there are faults.
  void Repeat(double per_minute, const std::function<void()>& event);
  void RestartLater();
  // The controller starts with a wrong clock, which is set right soon after.
  void StartWithWrongClock();
  void KillController();
  void SwapDisk();
  void HangDisk();
  void KillWorker();
  void AddTwin();
  void SetClock();

  void CalmDown();
  bool RunUntilAllEnded();
  bool ProbeWorkers();
  // Checks that each worker is shown separately, even if two have the same id.
  bool CheckWorkersShown();
  void CheckIdleWorkers();
  bool HasOpenSearch() const;
  std::string OpenSearches() const;
  bool OthersFit(const Book::Search& search, const std::string& worker, Millis for_so_long) const;
  // Checks late choice: proposals are only computed for what fitting workers wait for.
  void NoteDemand();
  void CheckDemand(const Book::Search& search);
  void ReadFeeds();
  // Checks that the readers have seen everything.
  bool CheckFeeds();
  // Checks that no lease is lost if no worker is lost.
  void CheckLostLeases();

  const std::uint64_t seed_;
  Draw draw_;
  Timeline timeline_;
  Story story_;
  Configs configs_;
  Controller controller_;
  Network network_;
  People people_;
  Faults faults_;
  bool is_calm_ = false;
  bool clock_is_wrong_ = false;
  bool restart_is_due_ = false;
  SteadyTime controller_up_since_;
  // The number of leases that may be lost because one process was mistaken for the restart of
  // another.
  int bearable_losses_ = 0;
  // The search that computes proposals, if there is only one, and how many more it may start before
  // it computes again.
  std::uint64_t computing_ = 0;
  std::int64_t demanded_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<FeedReader>> readers_;
};

}  // namespace layernas::simulation
