// Decides which of the searches that compete for a fleet is next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "common/base/clock.h"

namespace layernas::core {

// How a search shares its fleet with other searches.
struct Sharing {
  // Above 0. A search with twice the weight of another gets twice the worker time.
  double weight = 1;
  // A search with a higher priority gets all it can use first.
  int priority = 0;
  // Maximum candidates in progress; 0 = no limit.
  int max_running = 0;

  bool operator==(const Sharing&) const = default;
};

// Weighted fair sharing of running slots. A search's fair share is its weighted part of all slots
// that the searches which want the free slot hold, including this slot. The search furthest below its
// share is next. Rounding to whole slots is carried over: each search has a virtual time, the slot
// time that it got per weight (as in weighted fair queueing; Demers et al. 1989), and one that is
// behind the others is owed time. So the shares also hold on a single slot, and no search is passed
// over forever. Searches on different parts of a fleet drift apart in virtual time, so gaps are
// limited. A search that has nothing to hand out does not compete and is owed nothing for that time.
//
// Pure: time is an argument. O(searches) per call, Advance() O(searches · log searches). Not
// thread-safe.
class FairShare {
 public:
  struct Claim {
    std::uint64_t search = 0;
    Sharing sharing;
    // Candidates in progress.
    std::size_t running = 0;
  };

  // Accounts for the time since the last Compete(). Call it before the claims change.
  void Advance(SteadyTime now);
  // Sets the searches that compete from now on: all that have something to hand out that a
  // connected worker can take, whether or not such a worker has a free slot.
  void Compete(std::vector<Claim> claims);
  // Returns the index of the claim that is next: of those with the highest priority, the one
  // furthest below its share. `claims` must not be empty.
  std::size_t Next(std::span<const Claim> claims) const;
  // An evaluation of the search took this long. Owed time is made up for over such a period.
  void Took(std::uint64_t search, Millis duration);
  // The search has ended.
  void Forget(std::uint64_t search);

 private:
  struct Account {
    // Virtual time: slots times seconds that the search got, per weight. Only differences within a
    // priority have a meaning.
    double virtual_seconds = 0;
    // Recent mean duration of its evaluations; 0 = none yet.
    double mean_seconds = 0;
  };

  // Limits the gaps between the virtual times of competing searches of one priority, and lets the
  // lowest be 0. Differences below the limit stay.
  void LimitGaps();
  // Returns the mean virtual time of the claims of this priority, by weight. Those in `left_out` do
  // not count.
  double MeanVirtualSeconds(std::span<const Claim> claims, int priority, const std::set<std::uint64_t>& left_out) const;
  // Returns the longest mean duration of the claims; 0 if none is known.
  double Horizon(std::span<const Claim> claims) const;

  std::map<std::uint64_t, Account> accounts_;
  std::vector<Claim> competing_;
  SteadyTime advanced_to_;
};

}  // namespace layernas::core
