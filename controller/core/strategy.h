// What decides which architectures are worth evaluating.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "controller/core/architecture.h"
#include "controller/core/buckets.h"

namespace layernas::core {

// What an evaluation brought; none if it brought no result (infeasible, failed).
struct Outcome {
  double reward = 0;
  double cost = 0;
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
  // False while its evaluation is under way, or if it was skipped.
  bool finished = false;
  std::optional<Outcome> outcome;
  // Where it was measured and, for its cost exceeds every target, never trained.
  std::optional<double> cost = std::nullopt;
};

// Computation on a snapshot that takes too long for the thread that owns the strategy.
class BackgroundWork {
 public:
  virtual ~BackgroundWork() = default;
  // On any thread. Shares nothing with the strategy.
  virtual void Run() = 0;
};

// Pure and deterministic: the same construction, the same calls, the same answers. Asynchronous: any number of
// proposals may be out at once and outcomes come in any order. Not thread-safe.
class Strategy {
 public:
  virtual ~Strategy() = default;

  // Once, before anything else, after a restart: everything proposed so far, in the order of proposal. The strategy
  // goes on as if it had proposed them itself.
  virtual void Restore(std::span<const PastProposal> past) = 0;

  // The next architecture to evaluate, never one proposed before; none while outcomes must come first, or when Done().
  virtual std::optional<Proposal> Propose() = 0;

  // How many Propose() would return without a further outcome; an estimate where that is costly to know, but 0 only if
  // there is none.
  virtual std::size_t Ready() const = 0;

  // The outcome of an architecture that was proposed; each once.
  virtual void Observe(const Architecture& architecture, std::optional<Outcome> outcome) = 0;
  // In place of an outcome: it was measured and, for its cost exceeds every target, is not trained.
  virtual void ObserveCost(const Architecture& architecture, double cost) {
    static_cast<void>(cost);
    Observe(architecture, std::nullopt);
  }

  // Nothing is left to propose, and never will be.
  virtual bool Done() const = 0;

  // Work that would bring Ready() to `wanted`, or null if there is none to do or one is under way. Once run, it is to
  // be given back.
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
