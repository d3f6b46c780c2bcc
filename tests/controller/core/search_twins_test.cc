// Tests that architectures which are the same network are trained only once.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "controller/core/search.h"
#include "tests/controller/core/search_fixture.h"
#include "tests/controller/core/search_world.h"

namespace layernas::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The nine architectures in order. Those with the same sum of options are the same network: 00; 01
// and 10; 02, 11 and 20; 12 and 21; 22. So the twins are 4, 5, 7 and 8, of 2, 3, 3 and 6.
SearchConfig TwinsConfig() {
  SearchConfig config = SmallConfig();
  config.targets = {5};
  config.strategy = ExhaustiveOptions{};
  config.network_identity = [](const Architecture& architecture) {
    return std::to_string(architecture[0] + architecture[1]);
  };
  return config;
}

TEST_F(SearchTest, OneNetworkIsTrainedOnce) {
  Search search(TwinsConfig(), kStart);
  std::vector<std::uint64_t> trained;
  while (search.state() == SearchState::kRunning) {
    trained.push_back(Lease(search));
    ASSERT_NE(trained.back(), 0u);
    EXPECT_EQ(Complete(search, trained.back(), 1, Result(0.1 * static_cast<double>(trained.back()), 3)), kAccepted);
  }
  EXPECT_EQ(trained, (std::vector<std::uint64_t>{1, 2, 3, 6, 9}));
  EXPECT_EQ(search.trainings(), 5);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.CountOf(CandidateState::kSucceeded), 9u);
  EXPECT_EQ(search.candidate(7)->twin_of, 3u);
  EXPECT_EQ(search.candidate(7)->metrics, search.candidate(3)->metrics);
  EXPECT_EQ(search.candidate(7)->reward, search.candidate(3)->reward);
  EXPECT_EQ(search.candidate(7)->attempt, 0);
}

TEST_F(SearchTest, ATwinWaitsForTheOneThatIsUnderWay) {
  Search search(TwinsConfig(), kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6, 9}) EXPECT_EQ(Lease(search), expected);
  EXPECT_EQ(search.Lease("w2", "request", now_), nullptr);
  EXPECT_EQ(search.candidate(7)->state, CandidateState::kQueued);
  EXPECT_EQ(Complete(search, 3, 1, Result(0.5, 3)), kAccepted);
  EXPECT_EQ(search.candidate(5)->state, CandidateState::kSucceeded);
  EXPECT_EQ(search.candidate(7)->state, CandidateState::kSucceeded);
  EXPECT_EQ(search.candidate(4)->state, CandidateState::kQueued);
}

TEST_F(SearchTest, TwinsUseUpNoTrainings) {
  SearchConfig config = TwinsConfig();
  config.trainings = 4;
  Search search(config, kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6}) {
    EXPECT_EQ(Lease(search), expected);
    EXPECT_EQ(Complete(search, expected, 1, Result(0.5, 3)), kAccepted);
  }
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.state_reason(), "its budget of 4 trainings is used");
  EXPECT_EQ(search.trainings(), 4);
}

TEST_F(SearchTest, TheTwinsOfOneThatIsSparedAreSparedWithIt) {
  SearchConfig config = TwinsConfig();
  config.measure_on = config.require;
  config.measure_first = true;
  config.targets = {5};
  auto search = std::make_unique<Search>(config, kStart);
  // Each network is measured once, and none is trained.
  std::vector<std::uint64_t> measured;
  while (search->state() == SearchState::kRunning) {
    measured.push_back(Lease(*search));
    ASSERT_NE(measured.back(), 0u);
    ASSERT_LE(measured.size(), 9u);
    EXPECT_EQ(Complete(*search, measured.back(), 1, {{"latency_ms", 6.0 + static_cast<double>(measured.back())}}),
              kAccepted);
    if (measured.size() == 4) {
      search = std::make_unique<Search>(search->config(), search->status(), search->candidates());
    }
  }
  EXPECT_EQ(measured, (std::vector<std::uint64_t>{1, 2, 3, 6, 9}));
  EXPECT_EQ(search->CountOf(CandidateState::kSkipped), 9u);
  EXPECT_EQ(search->candidate(7)->twin_of, 3u);
  EXPECT_EQ(search->candidate(7)->cost, 9);
  EXPECT_EQ(search->trainings(), 0);
  EXPECT_THAT(search->state_reason(), HasSubstr("none of the 5 architectures that were measured"));
}

TEST_F(SearchTest, TheTwinOfAnInfeasibleOneIsInfeasibleAtOnce) {
  SearchConfig config = TwinsConfig();
  config.initial_failures = 2;
  Search search(config, kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6, 9}) EXPECT_EQ(Lease(search), expected);
  EXPECT_EQ(Fail(search, 3, 1, FailureKind::kInfeasible, "out of memory"), kAccepted);
  for (const std::uint64_t twin : {5, 7}) {
    EXPECT_EQ(search.candidate(twin)->state, CandidateState::kInfeasible);
    EXPECT_EQ(search.candidate(twin)->failures.at(0).message, "it is the same network as candidate 3: out of memory");
  }
  // One attempt failed, not three.
  search.EndIfHopeless(TaskKind::kEvaluate, Others::kNone, kStart);
  EXPECT_EQ(search.state(), SearchState::kRunning);
  Search again = Restarted(search);
  again.EndIfHopeless(TaskKind::kEvaluate, Others::kNone, kStart);
  EXPECT_EQ(again.state(), SearchState::kRunning);
}

TEST_F(SearchTest, ATwinTakesThePlaceOfOneThatWasGivenUp) {
  SearchConfig config = TwinsConfig();
  config.attempts = 1;
  Search search(config, kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6, 9}) EXPECT_EQ(Lease(search), expected);
  EXPECT_EQ(search.Lease("w1", "request", now_), nullptr);
  // The failures come from one worker, which says nothing about the network.
  EXPECT_EQ(Fail(search, 3, 1), kAccepted);
  EXPECT_EQ(search.candidate(3)->state, CandidateState::kFailed);
  EXPECT_EQ(search.trainings(), 6);
  Search again = Restarted(search);
  for (Search* one : {&search, &again}) {
    EXPECT_EQ(Lease(*one, "w2"), 5u);
    EXPECT_EQ(one->trainings(), 6);
    EXPECT_EQ(one->candidate(7)->twin_of, 5u);
    EXPECT_EQ(Complete(*one, 5, 1, Result(0.7, 3), "w2"), kAccepted);
    EXPECT_EQ(one->candidate(7)->state, CandidateState::kSucceeded);
    EXPECT_EQ(one->candidate(7)->reward, 0.7);
  }
}

TEST_F(SearchTest, ATwinTakesNoPlaceOfARepeat) {
  SearchConfig config = TwinsConfig();
  config.attempts = 1;
  config.trainings = 5;
  config.finalists.trainings = 2;
  config.finalists.repeats = 1;
  Search search(config, kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6}) EXPECT_EQ(Lease(search), expected);
  EXPECT_EQ(Fail(search, 3, 1), kAccepted);
  EXPECT_EQ(search.candidate(5)->state, CandidateState::kSkipped);
  EXPECT_EQ(search.trainings(), 4);
  for (const std::uint64_t number : {1, 2, 6}) EXPECT_EQ(Complete(search, number, 1, Result(0.5, 3)), kAccepted);
  EXPECT_NE(search.candidate(Lease(search))->repeat_of, 0u);
}

TEST_F(SearchTest, WhereNothingElseIsUnderWayATwinTakesAPlaceOfARepeat) {
  SearchConfig config = TwinsConfig();
  config.attempts = 1;
  config.trainings = 7;
  config.targets = {1};
  config.finalists.trainings = 2;
  config.finalists.repeats = 3;
  Search search(config, kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6}) EXPECT_EQ(Lease(search), expected);
  // The rest is reserved for repeats, and no candidate within the target could be repeated.
  for (const std::uint64_t number : {1, 2, 6}) EXPECT_EQ(Complete(search, number, 1, Result(0.5, 3)), kAccepted);
  EXPECT_EQ(Fail(search, 3, 1), kAccepted);
  EXPECT_EQ(search.candidate(5)->twin_of, 0u);
  EXPECT_EQ(Lease(search), 5u);
  EXPECT_EQ(search.trainings(), 5);
}

TEST_F(SearchTest, ATwinBeyondTheBudgetTakesNoPlace) {
  SearchConfig config = TwinsConfig();
  config.attempts = 1;
  config.trainings = 4;
  Search search(config, kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6}) EXPECT_EQ(Lease(search), expected);
  EXPECT_EQ(Fail(search, 3, 1), kAccepted);
  EXPECT_EQ(search.candidate(5)->state, CandidateState::kSkipped);
  for (const std::uint64_t number : {1, 2, 6}) EXPECT_EQ(Complete(search, number, 1, Result(0.5, 3)), kAccepted);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(Restarted(search).trainings(), 4);
}

TEST_F(SearchTest, ATwinHasItsOwnCostWhereThatIsKnown) {
  SearchConfig config = TwinsConfig();
  config.space.layers[0].costs = {1, 2, 3};
  config.space.layers[1].costs = {10, 30, 50};
  config.targets = {20, 100};
  Search search(config, kStart);
  while (search.state() == SearchState::kRunning) {
    const std::uint64_t number = Lease(search);
    EXPECT_EQ(Complete(search, number, 1, {{"accuracy", 0.01 * static_cast<double>(number)}}), kAccepted);
  }
  // 02 was trained at a cost of 51; 20 is the same network at a cost of 13.
  EXPECT_EQ(search.candidate(7)->cost, 13);
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 7u);
  EXPECT_EQ(search.BestPerTarget()[1].candidate, 9u);
}

TEST_F(SearchTest, ARepeatIsOfTheFirstAndCountsForItsTwins) {
  SearchConfig config = TwinsConfig();
  config.space.layers[0].costs = {1, 2, 3};
  config.space.layers[1].costs = {10, 30, 50};
  config.targets = {20, 100};
  config.finalists = {2, 3};
  config.finals = {3, 1};
  Search search(config, kStart);
  const auto reward = [](std::uint64_t number) { return number == 3 ? 0.9 : 0.01 * static_cast<double>(number); };
  for (const std::uint64_t expected : {1, 2, 3, 6, 9}) {
    EXPECT_EQ(Lease(search), expected);
    EXPECT_EQ(Complete(search, expected, 1, {{"accuracy", reward(expected)}}), kAccepted);
  }
  EXPECT_EQ(search.BestPerTarget()[0].candidate, 7u);
  const std::uint64_t repeat = Lease(search);
  EXPECT_EQ(search.candidate(repeat)->repeat_of, 3u);
  EXPECT_EQ(Complete(search, repeat, 1, {{"accuracy", 0.5}}), kAccepted);
  EXPECT_DOUBLE_EQ(search.standings().Of(7)->reward, 0.7);
  EXPECT_EQ(search.standings().Of(7)->trainings, 2);
  EXPECT_EQ(search.standings().Of(7)->cost, 13);
  EXPECT_EQ(search.standings().RepeatsWithResult(7), std::vector<std::uint64_t>{repeat});
  Search again = Restarted(search);
  EXPECT_EQ(again.standings().Of(7)->reward, search.standings().Of(7)->reward);
  EXPECT_EQ(again.state(), SearchState::kRunning);
  // The first target is met by 1, 4 and 7, and the second by all. The cheapest of each network
  // represents it.
  EXPECT_EQ(search.winners(), (std::vector<std::uint64_t>{7, 4, 1, 9, 8}));
}

TEST_F(SearchTest, WinnersAreDifferentNetworks) {
  SearchConfig config = TwinsConfig();
  config.finals = {3, 1};
  Search search(config, kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6, 9}) {
    EXPECT_EQ(Lease(search), expected);
    EXPECT_EQ(Complete(search, expected, 1, Result(expected == 3 ? 0.9 : 0.01 * static_cast<double>(expected), 3)),
              kAccepted);
  }
  EXPECT_EQ(search.winners(), (std::vector<std::uint64_t>{3, 9, 6}));
}

TEST_F(SearchTest, WhereOnlyTwinsAreLeftTheSearchEnds) {
  SearchConfig config = TwinsConfig();
  config.space.layers = {{"a", 200, 0, {}}, {"b", 200, 0, {}}};
  config.network_identity = [](const Architecture&) { return std::string("one"); };
  Search search(config, kStart);
  EXPECT_EQ(Complete(search, Lease(search), 1, Result(0.5, 3)), kAccepted);
  int calls = 0;
  while (search.state() == SearchState::kRunning) {
    ASSERT_LT(++calls, 1'000);
    EXPECT_EQ(search.Lease("w1", "request", now_), nullptr);
    EXPECT_EQ(search.HasMoreTwins(), search.state() == SearchState::kRunning);
  }
  // One call does a limited number.
  EXPECT_GT(calls, 100);
  EXPECT_EQ(search.state(), SearchState::kSucceeded);
  EXPECT_EQ(search.trainings(), 1);
  EXPECT_THAT(search.state_reason(), HasSubstr("architectures are networks that were tried already"));
}

TEST_F(SearchTest, CancellingEndsTwinsThatWait) {
  Search search(TwinsConfig(), kStart);
  for (const std::uint64_t expected : {1, 2, 3, 6, 9}) EXPECT_EQ(Lease(search), expected);
  EXPECT_EQ(search.Lease("w1", "request", now_), nullptr);
  EXPECT_TRUE(search.Cancel(kStart).ok());
  EXPECT_EQ(search.CountOf(CandidateState::kSkipped), 9u);
}

// For any order of leases, outcomes and restarts, there are as many trainings as networks, each
// with its own result.
TEST_F(SearchTest, ExhaustiveSearchTrainsEachNetworkOnceInAnyOrder) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    RandomStream random({seed});
    SearchConfig config = TwinsConfig();
    config.space.layers = {{"a", 4, 0, {}}, {"b", 3, 0, {}}, {"c", 3, 0, {}}};
    const std::uint64_t networks = 1 + random.Below(20);
    const auto network = [seed, networks](const Architecture& one) {
      return MixKey({seed, Fingerprint(one)}) % networks;
    };
    config.network_identity = [network](const Architecture& one) { return std::to_string(network(one)); };
    auto search = std::make_unique<Search>(config, kStart);
    std::vector<std::uint64_t> leased;
    std::map<std::uint64_t, int> trainings;
    while (search->state() == SearchState::kRunning) {
      const Candidate* candidate = random.Below(2) == 0 ? search->Lease("w1", "request", now_) : nullptr;
      if (candidate != nullptr) {
        leased.push_back(candidate->number);
        ++trainings[network(candidate->architecture)];
      } else if (!leased.empty()) {
        const std::size_t at = random.Below(leased.size());
        const std::uint64_t number = leased[at];
        leased.erase(leased.begin() + static_cast<std::ptrdiff_t>(at));
        const auto worth = static_cast<double>(network(search->candidate(number)->architecture));
        if (static_cast<std::uint64_t>(worth) % 5 == 4) {
          EXPECT_EQ(Fail(*search, number, 1, FailureKind::kInfeasible), kAccepted);
        } else {
          EXPECT_EQ(Complete(*search, number, 1, Result(worth, 3)), kAccepted);
        }
      }
      if (random.Below(8) == 0) {
        search = std::make_unique<Search>(search->config(), search->status(), search->candidates());
      }
    }
    EXPECT_EQ(search->candidates().size(), 36u);
    EXPECT_EQ(search->trainings(), static_cast<std::int64_t>(trainings.size()));
    for (const auto& [one, count] : trainings) EXPECT_EQ(count, 1) << "network " << one << ", seed " << seed;
    for (const Candidate& candidate : search->candidates()) {
      const auto worth = network(candidate.architecture);
      ASSERT_EQ(candidate.state, worth % 5 == 4 ? CandidateState::kInfeasible : CandidateState::kSucceeded);
      if (candidate.state == CandidateState::kSucceeded) {
        EXPECT_EQ(candidate.reward, static_cast<double>(worth));
      }
    }
  }
}

// With any strategy, finalists, winners, separate measurements and time limits, the search ends,
// restarts change nothing, and no network is trained by two candidates unless the first one was
// given up.
TEST_F(SearchTest, TwinsAreFollowedUnderAnyConfiguration) {
  std::size_t twins = 0;
  for (std::uint64_t seed = 1; seed <= 1'500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomStream random({seed, 15});
    SearchConfig config = RandomConfig(random);
    const std::uint64_t networks = 1 + random.Below(12);
    const auto network = [networks](const Architecture& one) { return MixKey({Fingerprint(one)}) % networks; };
    config.network_identity = [network](const Architecture& one) { return std::to_string(network(one)); };
    auto search = std::make_unique<Search>(config, kStart);
    for (int step = 0; search->state() == SearchState::kRunning; ++step) {
      ASSERT_LT(step, 20'000);
      Pass(Millis(random.Below(2'000)));
      search->CheckTime(now_.unix_ms);
      if (const auto work = search->StartWork(2)) {
        work->Run();
        search->FinishWork(*work, now_.unix_ms);
      }
      const TaskKind kind = search->kinds()[random.Below(search->kinds().size())];
      search->Lease("w" + std::to_string(random.Below(3)), "request", now_, kind, Others::kNone);
      const std::uint64_t number = 1 + random.Below(search->candidates().size() + 1);
      const Candidate* candidate = search->candidate(number);
      if (candidate != nullptr && candidate->state == CandidateState::kLeased) {
        const double worth = static_cast<double>(random.Below(8)) / 8;
        if (random.Below(4) == 0) {
          search->Fail(number, candidate->attempt, candidate->worker,
                       random.Below(3) == 0 ? FailureKind::kInfeasible : FailureKind::kEvaluator, "crashed", now_);
        } else if (random.Below(3) == 0) {
          search->NoteProgress(number, candidate->attempt, {{1, static_cast<float>(worth)}}, 3, now_.unix_ms);
        } else {
          search->Complete(number, candidate->attempt, candidate->worker,
                           {Result(worth, static_cast<double>(random.Below(10))), {}, {}}, now_);
        }
      }
      if (random.Below(10) != 0) continue;
      auto again = std::make_unique<Search>(search->config(), search->status(), search->candidates());
      ASSERT_EQ(again->trainings(), search->trainings());
      ASSERT_EQ(again->winners(), search->winners());
      for (std::uint64_t one = 1; one <= search->candidates().size(); ++one) {
        const auto before = search->standings().Of(one), after = again->standings().Of(one);
        ASSERT_EQ(before.has_value(), after.has_value());
        if (!before) continue;
        ASSERT_EQ(before->reward, after->reward);
        ASSERT_EQ(before->cost, after->cost);
      }
      search = std::move(again);
    }
    if (config.trainings > 0) {
      EXPECT_LE(search->trainings(), config.trainings);
    }
    EXPECT_THAT(search->state_reason(), Not(HasSubstr("bug in layernas")));
    std::map<std::uint64_t, int> trained;
    for (const Candidate& candidate : search->candidates()) {
      if (candidate.repeat_of != 0 || candidate.final_of != 0) continue;
      const bool given_up = candidate.state == CandidateState::kFailed || candidate.state == CandidateState::kSkipped;
      if (candidate.twin_of == 0) {
        if (given_up) continue;
        ASSERT_EQ(++trained[network(candidate.architecture)], 1);
        continue;
      }
      ++twins;
      const Candidate& followed = *search->candidate(candidate.twin_of);
      ASSERT_EQ(candidate.attempt, 0);
      ASSERT_EQ(followed.twin_of, 0u);
      ASSERT_EQ(network(candidate.architecture), network(followed.architecture));
      if (candidate.state == CandidateState::kSkipped) continue;
      ASSERT_EQ(candidate.state, followed.state);
      ASSERT_EQ(candidate.reward, followed.reward);
    }
  }
  EXPECT_GT(twins, 5'000u);
}

}  // namespace
}  // namespace layernas::core
