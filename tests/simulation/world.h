// One simulated world: a controller, its workers, people, and what goes wrong.
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
  // "invariant: what is wrong"; none if nothing is.
  std::optional<std::string> finding;
  // Of the story; the same for each run of the seed.
  std::uint64_t hash = 0;
};

// A pure function of its seed: first a time in which faults happen, then one without, at whose end everything must be
// done.
class World {
 public:
  World(std::uint64_t seed, Story::Mode mode);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Once.
  WorldResult Run();

 private:
  // What goes wrong in this world, as events per minute unless it says otherwise. Some worlds have none.
  struct Faults {
    double controller_deaths = 0;
    double disk_swaps = 0;
    double worker_deaths = 0;
    double network_cuts = 0;
    double clock_jumps = 0;
    double meddling = 0;
    double twins = 0;
    // Not a fault: how often people read what has changed.
    double reading = 0;
    // Shares of workers and of evaluations.
    double bad_workers = 0;
    double trouble = 0;
    Network::Quality network;

    bool Any() const;
  };

  void DrawFaults();
  void AddWorker(WorkerTraits traits);
  WorkerTraits DrawTraits();
  void StartAll();
  // Runs what happens within so long; false once there is a finding.
  bool RunFor(Millis duration);

  // Each makes one such thing happen about so often, as long as there are faults.
  void Repeat(double per_minute, const std::function<void()>& event);
  void RestartLater();
  void KillController();
  void SwapDisk();
  void KillWorker();
  void AddTwin();
  void SetClock();

  void CalmDown();
  bool RunUntilAllEnded();
  bool ProbeWorkers();
  void CheckIdleWorkers();
  bool HasOpenSearch() const;
  std::string OpenSearches() const;
  bool OthersFit(const Book::Search& search, const std::string& worker, Millis for_so_long) const;
  // Late choice: proposals are computed for what fitting workers wait for, and no more.
  void NoteDemand();
  void CheckDemand(const Book::Search& search);
  void ReadFeeds();
  // They have heard everything.
  bool CheckFeeds();
  // Where no worker is lost, no lease is.
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
  bool restart_is_due_ = false;
  SteadyTime controller_up_since_;
  // Leases that may be lost because one process was taken for the restart of another.
  int bearable_losses_ = 0;
  // The search that computes proposals, if only one does, and how many more it may begin before it computes again.
  std::uint64_t computing_ = 0;
  std::int64_t demanded_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<FeedReader>> readers_;
};

}  // namespace layernas::simulation
