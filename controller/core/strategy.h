// The interface of strategies, which decide which architectures are worth evaluating.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "controller/core/architecture.h"
#include "controller/core/buckets.h"

namespace layernas::core {

// The result of an evaluation.
struct Outcome {
  double reward = 0;
  double cost = 0;
};

// What a strategy learns about an architecture that it proposed.
struct Observation {
  enum class Kind {
    // Reward and cost are known.
    kResult,
    // The architecture cannot be evaluated; similar ones should not be proposed.
    kInfeasible,
    // The attempts failed in a way that says nothing about the architecture.
    kUnknown,
    // The architecture was measured and is not trained because its cost exceeds every target. Only
    // the cost is known.
    kTooDear,
  };

  static Observation Result(Outcome outcome) { return {Kind::kResult, outcome}; }
  static Observation Infeasible() { return {Kind::kInfeasible, {}}; }
  static Observation Unknown() { return {Kind::kUnknown, {}}; }
  static Observation TooDear(double cost) { return {Kind::kTooDear, {0, cost}}; }

  Kind kind = Kind::kUnknown;
  Outcome outcome;
};

// Where in the search a proposal was made. Both are 0 for strategies without passes and stages.
struct Position {
  int pass = 0;
  int stage = 0;

  auto operator<=>(const Position&) const = default;
};

struct Proposal {
  Architecture architecture;
  Position position;
};

// The final or still growing table M[stage] of a pass.
struct StageTable {
  Position position;
  BucketTable table;

  bool operator==(const StageTable&) const = default;
};

// An architecture that was proposed before a restart.
struct PastProposal {
  Proposal proposal;
  // Empty while the evaluation is in progress, or if it was skipped.
  std::optional<Observation> observation;
};

// Whether a strategy has a proposal, or when it will have one. Propose() returns a proposal if and
// only if `when` is kNow.
struct Supply {
  enum class When {
    // Propose() returns one.
    kNow,
    // StartWork() returns a computation that produces one, unless a computation is in progress.
    kAfterWork,
    // An outcome must arrive first. Only while a proposal has no outcome yet.
    kAfterOutcome,
    // There is no further proposal.
    kNever,
  };

  When when = When::kNow;
  // With kNow and kAfterWork: how many proposals are available after the computation without a
  // further outcome; at least 1. May be an estimate.
  std::size_t count = 0;
  // With kNever: the reason, for people, in lower case and without a full stop.
  std::string reason;
};

// A computation on a snapshot that takes too long for the thread that owns the strategy.
class BackgroundWork {
 public:
  virtual ~BackgroundWork() = default;
  // Runs on any thread. Shares no mutable data with the strategy.
  virtual void Run() = 0;
  // The result is no longer needed: Run() returns soon, with fewer proposals. Call it on any
  // thread, at any time.
  void Cancel() { cancelled_ = true; }

 protected:
  bool cancelled() const { return cancelled_; }

 private:
  std::atomic<bool> cancelled_ = false;
};

// Pure and deterministic: the same construction and the same calls give the same answers.
// Asynchronous: any number of proposals may be without an outcome, and outcomes arrive in any
// order. Not thread-safe.
class Strategy {
 public:
  virtual ~Strategy() = default;

  // Restores the strategy after a restart from everything proposed so far, in the order of
  // proposal. Call it once, before all other functions. The strategy continues as if it had made
  // the proposals itself.
  virtual void Restore(std::span<const PastProposal> past) = 0;

  // Changes nothing. O(1) amortised.
  virtual Supply supply() const = 0;

  // Returns the next architecture to evaluate, never one that was proposed before. Returns nothing
  // unless supply() is kNow.
  virtual std::optional<Proposal> Propose() = 0;

  // Tells the outcome of a proposed architecture; call it once for each.
  virtual void Observe(const Architecture& architecture, const Observation& observation) = 0;

  // Returns a computation that makes `wanted` proposals available, including those already
  // available. Returns null if there is nothing to compute, or if a computation is in progress.
  // Pass it to FinishWork() after Run(). O(1) amortised in the number of results: no data that
  // grows with them is copied.
  virtual std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted) {
    static_cast<void>(wanted);
    return nullptr;
  }
  virtual void FinishWork(BackgroundWork& work) { static_cast<void>(work); }

  virtual Position position() const { return {}; }

  // Final tables, oldest first; tables are only ever added. Empty for strategies without tables.
  virtual std::span<const StageTable> FinalTables() const { return {}; }
  // The table of the current stage, from the results so far.
  virtual std::optional<StageTable> GrowingTable() const { return std::nullopt; }
};

}  // namespace layernas::core
