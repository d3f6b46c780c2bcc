// Which of the searches that compete for a fleet is next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "common/base/clock.h"

namespace layernas::core {

// How a search stands to the others on its fleet.
struct Sharing {
  // Above 0: of two searches, the one of twice the weight gets twice the workers' time.
  double weight = 1;
  // What a search of higher priority can use, it gets first.
  int priority = 0;
  // Most candidates under way at once; 0 = no limit.
  int max_running = 0;

  bool operator==(const Sharing&) const = default;
};

// Weighted fair sharing of running slots. A search is due what its weight says of all slots that those who compete with
// it hold, the one that is free included; the one furthest below it is next. What whole slots can't express is carried
// over as time that is owed, so that the shares hold on a single slot too, and nobody is passed over for ever. A search
// that has nothing to hand out competes for nothing, and is owed nothing for that time.
//
// Pure: time comes in as an argument. O(searches) per call. Not thread-safe.
class FairShare {
 public:
  struct Claim {
    std::uint64_t search = 0;
    Sharing sharing;
    // Candidates under way.
    std::size_t running = 0;
  };

  // Time has passed since the last Compete(). Before claims have changed.
  void Advance(SteadyTime now);
  // From now on these searches compete: all that have something to hand out that a connected worker can take. Whether
  // such a worker has a free slot does not matter.
  void Compete(std::vector<Claim> claims);
  // Of the claims, which are not empty, the index of the one whose turn it is: of the highest priority, the one that
  // lacks most.
  std::size_t Next(std::span<const Claim> claims) const;
  // An evaluation of the search took so long: over such a time what is owed is made up for.
  void Took(std::uint64_t search, Millis duration);
  // The search has ended.
  void Forget(std::uint64_t search);

 private:
  struct Account {
    // Slots times seconds that the search did not get, or, below 0, had too many.
    double owed = 0;
    // Of its evaluations, lately; 0 = none yet.
    double mean_seconds = 0;
  };

  // The longest mean of the claims; 0 if none is known.
  double Horizon(std::span<const Claim> claims) const;

  std::map<std::uint64_t, Account> accounts_;
  std::vector<Claim> competing_;
  SteadyTime advanced_to_;
};

}  // namespace layernas::core
