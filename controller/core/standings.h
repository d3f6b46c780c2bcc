// How the architectures of a search stand, by the mean of their trainings: the frontier, and which of the finalists to
// train again. The best of many noisy results is an over-estimate; what is repeated with other seeds falls to where it
// belongs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "controller/core/frontier.h"
#include "controller/core/strategy.h"

namespace layernas::core {

struct FinalistOptions {
  // Trainings of a finalist in all, the first one included. 1: nothing is repeated.
  int trainings = 1;
  // Most repeats in all.
  std::int64_t repeats = 0;
};

struct Standing {
  // Means over the trainings.
  double reward = 0;
  double cost = 0;
  // That brought a result.
  int trainings = 0;
  // Of the reward between them (n - 1); 0 where there is one.
  double reward_deviation = 0;
};

// An architecture goes by the number of the candidate that was its first training. Not thread-safe.
class Standings {
 public:
  Standings(FinalistOptions options, std::vector<double> targets);

  // The first training brought a result. `twin_of`: where it is that of another candidate, which was added before and
  // is the same network (twin_book.h); 0 otherwise. Twins have the same mean of the reward, and costs of their own.
  void Add(std::uint64_t candidate, Outcome outcome, std::uint64_t twin_of = 0);
  // A repeat was handed out; it has ended, with a result or none.
  void BeginRepeat(std::uint64_t candidate);
  // `repeat`: its own candidate number.
  void EndRepeat(std::uint64_t candidate, std::uint64_t repeat, std::optional<Outcome> outcome);

  // What to repeat next, if anything: for each target in turn, the best that meets it, until the best has had all its
  // trainings; what is worse stays as it is. Without targets, each point of the frontier. Never a twin: the candidate
  // that it follows stands for it.
  // O(results) after a change, O(1) else.
  std::optional<std::uint64_t> NextRepeat() const;
  std::int64_t repeats_begun() const { return repeats_begun_; }
  // Of the trainings of an architecture, how many repeats were handed out.
  int RepeatsOf(std::uint64_t candidate) const;
  // Numbers of the repeats that brought a result, ascending.
  std::vector<std::uint64_t> RepeatsWithResult(std::uint64_t candidate) const;

  // None if it has no result.
  std::optional<Standing> Of(std::uint64_t candidate) const;
  // The architectures of highest reward with a cost that meets the target, at most `count`, best first; of equals those
  // of the lower cost, then number. Of twins one at most. O(results × log(results)).
  std::vector<std::uint64_t> BestWithin(double target, std::size_t count) const;
  // Of the means.
  const Frontier& frontier() const { return frontier_; }

 private:
  struct Repeats {
    int begun = 0;
    int ended = 0;
    // By candidate number, the first training's among them.
    std::map<std::uint64_t, Outcome> outcomes;
  };

  // The candidate that stands for all of its network: another one if it is a twin.
  std::uint64_t FirstOf(std::uint64_t candidate) const;
  static std::vector<double> RewardsOf(const Repeats& repeats);
  static std::vector<double> CostsOf(const Repeats& repeats);
  std::optional<std::uint64_t> FindNext() const;
  std::optional<std::uint64_t> NextWithin(double target) const;
  std::optional<std::uint64_t> NextOnFrontier() const;

  const FinalistOptions options_;
  const std::vector<double> targets_;
  Frontier frontier_;
  // By candidate number - 1; none of repeats.
  std::vector<std::optional<Outcome>> means_;
  // By twin, whom it follows; and by that one, its twins.
  std::unordered_map<std::uint64_t, std::uint64_t> first_of_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> twins_of_;
  // Of what was repeated.
  std::unordered_map<std::uint64_t, Repeats> repeats_;
  std::int64_t repeats_begun_ = 0;
  // What NextRepeat() is, unless something has changed.
  mutable std::optional<std::optional<std::uint64_t>> next_;
};

}  // namespace layernas::core
