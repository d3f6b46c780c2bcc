// What decides which architectures are worth evaluating.
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

// What an evaluation brought.
struct Outcome {
  double reward = 0;
  double cost = 0;
};

// What a strategy learns of an architecture that it proposed.
struct Observation {
  enum class Kind {
    // Reward and cost are known.
    kResult,
    // It can't be evaluated: nothing like it should be proposed.
    kInfeasible,
    // Its attempts failed in a way that says nothing about it.
    kUnknown,
    // It was measured and, since its cost exceeds every target, is not trained. Only the cost is known.
    kTooDear,
  };

  static Observation Result(Outcome outcome) { return {Kind::kResult, outcome}; }
  static Observation Infeasible() { return {Kind::kInfeasible, {}}; }
  static Observation Unknown() { return {Kind::kUnknown, {}}; }
  static Observation TooDear(double cost) { return {Kind::kTooDear, {0, cost}}; }

  Kind kind = Kind::kUnknown;
  Outcome outcome;
};

// Where in the search a proposal was made. Both 0 for strategies without passes and stages.
struct Position {
  int pass = 0;
  int stage = 0;

  auto operator<=>(const Position&) const = default;
};

struct Proposal {
  Architecture architecture;
  Position position;
};

// A final or growing table M[stage] of a pass.
struct StageTable {
  Position position;
  BucketTable table;

  bool operator==(const StageTable&) const = default;
};

// An architecture proposed earlier, as a restart finds it.
struct PastProposal {
  Proposal proposal;
  // None while its evaluation is under way, or if it was skipped.
  std::optional<Observation> observation;
};

// Whether a strategy has a proposal, or when it will. The one answer to that question: Propose() returns a proposal if
// and only if it is kNow.
struct Supply {
  enum class When {
    // Propose() returns one.
    kNow,
    // StartWork() returns a computation that brings one, unless one is under way already.
    kAfterWork,
    // An outcome must come first. Only while a proposal is out.
    kAfterOutcome,
    // There is none, and never will be.
    kNever,
  };

  When when = When::kNow;
  // With kNow and kAfterWork: how many could be had without a further outcome, the computation done; at least 1. May be
  // an estimate.
  std::size_t count = 0;
  // With kNever: why, for people, in lower case and without a full stop.
  std::string reason;
};

// Computation on a snapshot that takes too long for the thread that owns the strategy.
class BackgroundWork {
 public:
  virtual ~BackgroundWork() = default;
  // On any thread. Shares nothing with the strategy that either of them changes meanwhile.
  virtual void Run() = 0;
  // What is computed is not wanted any more: Run() returns soon, with less than was asked for. On any thread, at any
  // time.
  void Cancel() { cancelled_ = true; }

 protected:
  bool cancelled() const { return cancelled_; }

 private:
  std::atomic<bool> cancelled_ = false;
};

// Pure and deterministic: the same construction, the same calls, the same answers. Asynchronous: any number of
// proposals may be out at once, and outcomes come in any order. Not thread-safe.
class Strategy {
 public:
  virtual ~Strategy() = default;

  // Once, before anything else, after a restart: everything proposed so far, in the order of proposal. The strategy
  // goes on as if it had proposed them itself.
  virtual void Restore(std::span<const PastProposal> past) = 0;

  // Changes nothing. O(1) amortised.
  virtual Supply supply() const = 0;

  // The next architecture to evaluate, never one proposed before. None unless supply() is kNow.
  virtual std::optional<Proposal> Propose() = 0;

  // What came of an architecture that was proposed; each once.
  virtual void Observe(const Architecture& architecture, const Observation& observation) = 0;

  // Work that makes `wanted` proposals available, those that are available already included; null if there is none to
  // do, or one is under way. Once run, it must be given back. O(1) amortised in the number of results: nothing that
  // grows with them is copied.
  virtual std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted) {
    static_cast<void>(wanted);
    return nullptr;
  }
  virtual void FinishWork(BackgroundWork& work) { static_cast<void>(work); }

  virtual Position position() const { return {}; }

  // Final tables, oldest first; they only ever grow in number. Empty for strategies without tables.
  virtual std::span<const StageTable> FinalTables() const { return {}; }
  // The table of the stage under way, from what has arrived.
  virtual std::optional<StageTable> GrowingTable() const { return std::nullopt; }
};

}  // namespace layernas::core
