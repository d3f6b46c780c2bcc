// Standings of the architectures of a search by the mean of their trainings: the frontier, and the
// finalists to train again. The best of many noisy results is an overestimate; repeats with other
// seeds correct it.
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
  // Total trainings of a finalist, including the first. 1: no repeats.
  int trainings = 1;
  // Maximum repeats in total.
  std::int64_t repeats = 0;
};

struct Standing {
  // Means over the trainings.
  double reward = 0;
  double cost = 0;
  // Trainings with a result.
  int trainings = 0;
  // Standard deviation of the reward between the trainings (n - 1); 0 if there is only one.
  double reward_deviation = 0;
};

// An architecture is identified by the number of the candidate of its first training. Not
// thread-safe.
class Standings {
 public:
  Standings(FinalistOptions options, std::vector<double> targets);

  // Adds the result of a first training. `twin_of`: if the result is that of another candidate with
  // the same network (twin_book.h), the number of that candidate, which must have been added
  // before; otherwise 0. Twins share the mean reward, but have their own costs.
  void Add(std::uint64_t candidate, Outcome outcome, std::uint64_t twin_of = 0);
  // Call BeginRepeat() when a repeat is handed out, and EndRepeat() when it ends, with or without a
  // result.
  void BeginRepeat(std::uint64_t candidate);
  // `repeat` is the repeat's own candidate number.
  void EndRepeat(std::uint64_t candidate, std::uint64_t repeat, std::optional<Outcome> outcome);

  // Returns the candidate to repeat next, if any. The targets take turns. For a target, this is the
  // best candidate that meets it and lacks trainings. If one that has had all its trainings is at
  // least as good, nothing is repeated for this target. Without targets, every point of the
  // frontier is repeated. Never returns a twin: the candidate that it follows is repeated instead.
  // O(results) after a change, otherwise O(1).
  std::optional<std::uint64_t> NextRepeat() const;
  std::int64_t repeats_begun() const { return repeats_begun_; }
  // Returns how many repeats of the architecture were handed out.
  int RepeatsOf(std::uint64_t candidate) const;
  // Returns the numbers of the repeats with a result, ascending.
  std::vector<std::uint64_t> RepeatsWithResult(std::uint64_t candidate) const;

  // Returns nothing if the candidate has no result.
  std::optional<Standing> Of(std::uint64_t candidate) const;
  // Returns the architectures with the highest rewards whose costs meet the target, at most
  // `count`, best first. Ties go to the lower cost, then to the lower number. Contains at most one
  // of several twins. O(results × log(results)).
  std::vector<std::uint64_t> BestWithin(double target, std::size_t count) const;
  // The frontier of the means.
  const Frontier& frontier() const { return frontier_; }

 private:
  struct Repeats {
    int begun = 0;
    int ended = 0;
    // By candidate number; includes the first training.
    std::map<std::uint64_t, Outcome> outcomes;
  };

  // Returns the candidate that represents the network: another one if `candidate` is a twin.
  std::uint64_t FirstOf(std::uint64_t candidate) const;
  static std::vector<double> RewardsOf(const Repeats& repeats);
  static std::vector<double> CostsOf(const Repeats& repeats);
  std::optional<std::uint64_t> FindNext() const;
  std::optional<std::uint64_t> NextWithin(double target) const;
  std::optional<std::uint64_t> NextOnFrontier() const;

  const FinalistOptions options_;
  const std::vector<double> targets_;
  Frontier frontier_;
  // By candidate number - 1; empty for repeats.
  std::vector<std::optional<Outcome>> means_;
  // The candidate that each twin follows, and the twins of each such candidate.
  std::unordered_map<std::uint64_t, std::uint64_t> first_of_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> twins_of_;
  // Repeats by architecture.
  std::unordered_map<std::uint64_t, Repeats> repeats_;
  std::int64_t repeats_begun_ = 0;
  // Cached value of NextRepeat(); empty after a change.
  mutable std::optional<std::optional<std::uint64_t>> next_;
};

}  // namespace layernas::core
