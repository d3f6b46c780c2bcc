#include "controller/core/fair_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <numeric>
#include <set>
#include <span>

#include "common/base/random.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using Claims = std::vector<FairShare::Claim>;

// A fleet whose slots are never idle, and searches that always have work for it.
class Fleet {
 public:
  Fleet(int slots, std::uint64_t seed) : free_(slots), random_({seed}) {}

  // Its evaluations take between half and one and a half times `mean`.
  std::size_t Add(Sharing sharing, Millis mean = Millis{1000}) {
    claims_.push_back({claims_.size() + 1, sharing, 0});
    means_.push_back(mean);
    slot_seconds_.push_back(0);
    return claims_.size() - 1;
  }
  Sharing& sharing(std::size_t search) { return claims_[search].sharing; }

  void Run(Millis time) {
    const SteadyTime end = now_ + time;
    Fill();
    while (!running_.empty() && running_.begin()->first <= end) {
      Pass(running_.begin()->first);
      while (!running_.empty() && running_.begin()->first == now_) {
        const auto [search, took] = running_.begin()->second;
        running_.erase(running_.begin());
        shares_.Took(claims_[search].search, took);
        --claims_[search].running;
        ++free_;
      }
      Fill();
    }
    Pass(end);
  }
  // Returns each search's share of all slots' time since the last call.
  std::vector<double> TakeShares() {
    const double all = std::accumulate(slot_seconds_.begin(), slot_seconds_.end(), 0.0);
    std::vector<double> shares;
    for (double& seconds : slot_seconds_) shares.push_back(std::exchange(seconds, 0) / all);
    return shares;
  }

 private:
  void Pass(SteadyTime to) {
    const double seconds = std::chrono::duration<double>(to - now_).count();
    for (std::size_t i = 0; i < claims_.size(); ++i) {
      slot_seconds_[i] += seconds * static_cast<double>(claims_[i].running);
    }
    now_ = to;
  }
  void Fill() {
    shares_.Advance(now_);
    for (; free_ > 0; --free_) {
      const std::size_t next = shares_.Next(claims_);
      ++claims_[next].running;
      const Millis took{means_[next].count() / 2 + random_.Below(means_[next].count())};
      running_.emplace(now_ + took, std::pair(next, took));
    }
    shares_.Compete(claims_);
  }

  int free_;
  RandomStream random_;
  FairShare shares_;
  Claims claims_;
  std::vector<Millis> means_;
  std::vector<double> slot_seconds_;
  SteadyTime now_{Millis{1'000'000}};
  std::multimap<SteadyTime, std::pair<std::size_t, Millis>> running_;
};

void ExpectShares(Fleet& fleet, const std::vector<double>& expected, double tolerance) {
  const std::vector<double> shares = fleet.TakeShares();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(shares[i], expected[i], tolerance * expected[i]) << "search " << i;
  }
}

TEST(FairShare, WeightsHoldOnFleetsOfAnySize) {
  for (const int slots : {1, 2, 3, 5, 7, 16, 100, 256}) {
    SCOPED_TRACE(slots);
    Fleet fleet(slots, slots);
    for (const double weight : {1, 2, 4}) fleet.Add({weight});
    fleet.Run(Millis{20'000});
    fleet.TakeShares();
    fleet.Run(Millis{2'000'000 / std::min(slots, 20)});
    ExpectShares(fleet, {1.0 / 7, 2.0 / 7, 4.0 / 7}, 0.05);
  }
}

// Searches share the workers' time, not the number of evaluations.
TEST(FairShare, LongEvaluationsGetNoMoreThanShortOnes) {
  for (const int slots : {1, 4, 30}) {
    SCOPED_TRACE(slots);
    Fleet fleet(slots, slots);
    fleet.Add({1}, Millis{20'000});
    fleet.Add({1}, Millis{1'000});
    fleet.Add({2}, Millis{5'000});
    fleet.Run(Millis{100'000});
    fleet.TakeShares();
    fleet.Run(Millis{20'000'000 / slots});
    ExpectShares(fleet, {0.25, 0.25, 0.5}, 0.05);
  }
}

TEST(FairShare, NobodyOfTheSamePriorityIsPassedOverForEver) {
  Fleet fleet(1, 1);
  fleet.Add({1000});
  fleet.Add({1});
  fleet.Run(Millis{3'000'000});
  const std::vector<double> shares = fleet.TakeShares();
  EXPECT_GT(shares[1], 0.0003);
  EXPECT_LT(shares[1], 0.003);
}

TEST(FairShare, ManySearchesTakeTurnsOnOneSlot) {
  Fleet fleet(1, 2);
  for (int i = 0; i < 50; ++i) fleet.Add({});
  fleet.Run(Millis{2'000'000});
  for (const double share : fleet.TakeShares()) EXPECT_NEAR(share, 0.02, 0.004);
}

TEST(FairShare, WhoIsOfHigherPriorityGoesStrictlyFirst) {
  Fleet fleet(4, 3);
  fleet.Add({100, 0});
  fleet.Add({1, 1});
  fleet.Add({3, 1});
  fleet.Run(Millis{10'000});
  fleet.TakeShares();
  fleet.Run(Millis{1'000'000});
  const std::vector<double> shares = fleet.TakeShares();
  EXPECT_EQ(shares[0], 0);
  EXPECT_NEAR(shares[1], 0.25, 0.0125);
  // This also holds if the priority changes later.
  fleet.sharing(0).priority = 2;
  fleet.Run(Millis{10'000});
  fleet.TakeShares();
  fleet.Run(Millis{100'000});
  EXPECT_THAT(fleet.TakeShares(), ElementsAre(1, 0, 0));
}

TEST(FairShare, ANewWeightHoldsFromThenOn) {
  Fleet fleet(8, 4);
  fleet.Add({1});
  fleet.Add({1});
  fleet.Run(Millis{100'000});
  ExpectShares(fleet, {0.5, 0.5}, 0.05);
  fleet.sharing(1).weight = 3;
  fleet.Run(Millis{10'000});
  fleet.TakeShares();
  fleet.Run(Millis{500'000});
  ExpectShares(fleet, {0.25, 0.75}, 0.05);
}

TEST(FairShare, ANewcomerSoonHasWhatItIsDueAndNoMore) {
  Fleet fleet(20, 5);
  fleet.Add({});
  fleet.Run(Millis{100'000});
  fleet.TakeShares();
  fleet.Add({});
  // The time of two evaluations.
  fleet.Run(Millis{2'000});
  fleet.TakeShares();
  fleet.Run(Millis{20'000});
  ExpectShares(fleet, {0.5, 0.5}, 0.1);
}

// A search has no claim on time that it did not ask for.
TEST(FairShare, WhoWasAwayHasNoClaimOnTheTimeMissed) {
  FairShare shares;
  Claims claims = {{1, {}, 1}, {2, {}, 0}};
  shares.Took(1, Millis{1000});
  SteadyTime now{Millis{0}};
  shares.Advance(now);
  shares.Compete({claims[0]});
  now += Millis{100'000};
  shares.Advance(now);
  shares.Compete(claims);
  claims[0].running = 0;
  shares.Advance(now);
  // Both have used nothing, so the first in the list is next.
  EXPECT_EQ(shares.Next(claims), 0u);
}

// Returns how often each of two searches that share `slots` slots got one, beside a search of weight 1
// that holds six slots which they cannot use.
std::pair<int, int> TurnsBesideALargePool(int slots, double first_weight, double second_weight) {
  FairShare shares;
  Claims claims = {{1, {1}, 6}, {2, {first_weight}, 0}, {3, {second_weight}, 0}};
  for (const FairShare::Claim& claim : claims) shares.Took(claim.search, Millis{1000});
  std::pair<int, int> turns;
  SteadyTime now{Millis{0}};
  std::deque<std::size_t> running;
  for (int turn = 0; turn < 1200; ++turn) {
    // An evaluation ends, and the next one begins.
    now += Millis{1000 / slots};
    shares.Advance(now);
    if (static_cast<int>(running.size()) == slots) {
      --claims[running.front()].running;
      running.pop_front();
    }
    const std::size_t next = 1 + shares.Next(std::span(claims).subspan(1));
    ++claims[next].running;
    running.push_back(next);
    ++(next == 1 ? turns.first : turns.second);
    shares.Compete(claims);
  }
  return turns;
}

TEST(FairShare, SlotsThatOthersHoldElsewhereDistortNoShares) {
  for (const int slots : {1, 2, 3}) {
    SCOPED_TRACE(slots);
    EXPECT_NEAR(TurnsBesideALargePool(slots, 1, 1).first, 600, 10);
    EXPECT_NEAR(TurnsBesideALargePool(slots, 1, 3).first, 300, 10);
    EXPECT_NEAR(TurnsBesideALargePool(slots, 10, 1).second, 109, 10);
  }
}

}  // namespace
}  // namespace layernas::core
