// Tests the strategies without layerwise passes (guided, evolution, exhaustive), and the rules for
// all strategies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "common/base/random.h"
#include "controller/core/search.h"
#include "controller/core/strategies/exhaustive_strategy.h"
#include "controller/core/strategies/guided/guided_strategy.h"
#include "tests/controller/support/cpu_time.h"

namespace layernas::core {
namespace {

Space MakeSpace(int layers, OptionIndex options, bool costs) {
  Space space;
  for (int l = 0; l < layers; ++l) {
    Layer& layer = space.layers.emplace_back();
    layer.option_count = options;
    layer.default_option = static_cast<OptionIndex>(options - 1);
    for (OptionIndex o = 0; o < options; ++o) {
      if (costs) layer.costs.push_back(1 + o * (1 + l % 3));
    }
  }
  return space;
}

// As with more workers than the design has architectures.
TEST(Guided, ProposesWithinATargetBeforeAnyResult) {
  const Space space = MakeSpace(6, 4, true);
  const std::vector<double> targets = {9, 12};
  GuidedStrategy strategy(space, targets, 60, 1);
  // The design may exceed the targets.
  int design = 0;
  for (; strategy.supply().when == Supply::When::kNow; ++design) strategy.Propose();
  EXPECT_LT(design, 20);
  for (int i = 0; i < 20; ++i) {
    const auto work = strategy.StartWork(1);
    ASSERT_NE(work, nullptr);
    work->Run();
    strategy.FinishWork(*work);
    EXPECT_LE(space.Cost(strategy.Propose()->architecture), 12) << i;
  }
}

// Costs that a broken device could report. Sums of their squares overflow.
TEST(Guided, AbsurdCostsBreakNoModel) {
  const Space space = MakeSpace(8, 4, false);
  GuidedStrategy strategy(space, std::vector<double>{10.0}, 60, 1);
  std::set<Architecture> proposed;
  for (int i = 0; i < 60; ++i) {
    while (auto work = strategy.StartWork(1)) {
      work->Run();
      strategy.FinishWork(*work);
    }
    const std::optional<Proposal> proposal = strategy.Propose();
    ASSERT_TRUE(proposal.has_value()) << i;
    ASSERT_TRUE(proposed.insert(proposal->architecture).second);
    Observation observation;
    observation.kind = Observation::Kind::kResult;
    observation.outcome = {i % 7 == 3 ? -1.7e308 : 1.0 * i, i == 0 ? 0.0 : i == 1 ? 1.7e308 : 5.0 + i};
    strategy.Observe(proposal->architecture, observation);
  }
}

struct Case {
  const char* name;
  StrategyConfig strategy;
  bool costs;
  // Small spaces, for tests that need them.
  int layers;
  OptionIndex options;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class AnyStrategy : public ::testing::TestWithParam<Case> {
 protected:
  SearchConfig Config(std::uint64_t seed, int trainings) const {
    SearchConfig config;
    config.space = MakeSpace(GetParam().layers, GetParam().options, GetParam().costs);
    config.reward_metric = "reward";
    config.cost_metric = "cost";
    config.targets = {GetParam().layers + 6.0, GetParam().layers + 12.0};
    config.strategy = GetParam().strategy;
    config.seed = seed;
    config.trainings = trainings;
    return config;
  }

  static Metrics Evaluate(const Architecture& architecture) {
    double reward = 0;
    double cost = 0;
    for (std::size_t l = 0; l < architecture.size(); ++l) {
      reward += std::sqrt(static_cast<double>(architecture[l])) * static_cast<double>(1 + l % 4);
      cost += 1 + architecture[l] * static_cast<double>(1 + l % 3);
    }
    const double noise = RandomStream({Fingerprint(architecture)}).Uniform();
    return {{"reward", reward + 0.2 * noise}, {"cost", cost}};
  }

  // Works on the search, with up to `parallel` candidates out and their results in random order,
  // until it ends or there are `most` results.
  static void Work(Search& search, std::size_t parallel, RandomStream& order, int most = 1'000'000) {
    std::vector<std::pair<std::uint64_t, int>> out;
    for (const Candidate& candidate : search.candidates()) {
      if (candidate.state == CandidateState::kLeased) out.emplace_back(candidate.number, candidate.attempt);
    }
    for (int done = 0; !IsFinal(search.state()) && done < most; ++done) {
      while (out.size() < parallel) {
        if (const auto work = search.StartWork(parallel - out.size())) {
          work->Run();
          search.FinishWork(*work, 0);
        }
        const Candidate* candidate = search.Lease("w", "", {});
        if (candidate == nullptr) break;
        out.emplace_back(candidate->number, candidate->attempt);
      }
      if (out.empty()) break;
      std::swap(out[order.Below(out.size())], out.back());
      const auto [number, attempt] = out.back();
      out.pop_back();
      search.Complete(number, attempt, "w", Evaluate(search.candidate(number)->architecture), {});
    }
  }

  static std::vector<Architecture> Architectures(const Search& search) {
    std::vector<Architecture> architectures;
    for (const Candidate& candidate : search.candidates()) architectures.push_back(candidate.architecture);
    return architectures;
  }
};

TEST_P(AnyStrategy, EndsWithoutRepeatsAndWithinTheBudget) {
  for (const std::size_t parallel : {1, 3, 16}) {
    Search search(Config(1, 40), 0);
    RandomStream order({parallel});
    Work(search, parallel, order);
    EXPECT_EQ(search.state(), SearchState::kSucceeded) << search.state_reason();
    const auto all = Architectures(search);
    EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
    EXPECT_LE(all.size(), 40u);
    EXPECT_GE(all.size(), 20u);
  }
}

TEST_P(AnyStrategy, SameSeedAndSameArrivalGiveTheSameProposals) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    Search a(Config(seed, 40), 0);
    Search b(Config(seed, 40), 0);
    RandomStream order_a({seed});
    RandomStream order_b({seed});
    Work(a, 5, order_a);
    Work(b, 5, order_b);
    EXPECT_EQ(Architectures(a), Architectures(b));
  }
}

TEST_P(AnyStrategy, GoesOnAfterARestartWithoutRepeats) {
  RandomStream order({9});
  auto search = std::make_unique<Search>(Config(4, 40), 0);
  for (int restart = 0; restart < 5 && !IsFinal(search->state()); ++restart) {
    Work(*search, 4, order, 6);
    search = std::make_unique<Search>(search->config(), search->status(), search->candidates());
  }
  Work(*search, 4, order);
  EXPECT_EQ(search->state(), SearchState::kSucceeded) << search->state_reason();
  const auto all = Architectures(*search);
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
}

TEST_P(AnyStrategy, InfeasibleCandidatesHoldNothingUp) {
  Search search(Config(5, 30), 0);
  RandomStream random({5});
  while (!IsFinal(search.state())) {
    if (const auto work = search.StartWork(1)) {
      work->Run();
      search.FinishWork(*work, 0);
    }
    const Candidate* candidate = search.Lease("w", "", {});
    ASSERT_NE(candidate, nullptr);
    if (candidate->number > 1 && random.Below(3) == 0) {
      search.Fail(candidate->number, candidate->attempt, "w", FailureKind::kInfeasible, "too large", {});
    } else {
      search.Complete(candidate->number, candidate->attempt, "w", Evaluate(candidate->architecture), {});
    }
  }
  EXPECT_EQ(search.state(), SearchState::kSucceeded) << search.state_reason();
}

INSTANTIATE_TEST_SUITE_P(Strategies, AnyStrategy,
                         ::testing::Values(Case{"guided_per_layer", GuidedOptions{}, true, 8, 4},
                                           Case{"guided_measured", GuidedOptions{}, false, 8, 4},
                                           Case{"guided_big", GuidedOptions{}, true, 20, 6},
                                           Case{"evolution_per_layer", EvolutionOptions{}, true, 8, 4},
                                           Case{"evolution_measured", EvolutionOptions{}, false, 8, 4},
                                           Case{"exhaustive", ExhaustiveOptions{}, true, 4, 3},
                                           Case{"random", RandomOptions{}, false, 8, 4}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(ExhaustiveStrategy, ProposesAllThatMeetTheLargestTarget) {
  const Space space = MakeSpace(4, 3, true);
  ExhaustiveStrategy strategy(space, std::vector<double>{9, 11});
  std::set<Architecture> proposed;
  while (const auto proposal = strategy.Propose()) proposed.insert(proposal->architecture);
  EXPECT_EQ(strategy.supply().when, Supply::When::kNever);
  std::size_t expected = 0;
  for (OptionIndex a = 0; a < 3; ++a) {
    for (OptionIndex b = 0; b < 3; ++b) {
      for (OptionIndex c = 0; c < 3; ++c) {
        for (OptionIndex d = 0; d < 3; ++d) expected += space.Cost({a, b, c, d}) <= 11;
      }
    }
  }
  EXPECT_EQ(proposed.size(), expected);
  for (const Architecture& one : proposed) EXPECT_LE(space.Cost(one), 11);
}

TEST(GuidedStrategy, FindsTheOptimumOfAnAdditiveSpace) {
  // 4,096 architectures, 60 trainings, and noise far below the differences.
  SearchConfig config;
  config.space = MakeSpace(6, 4, true);
  config.reward_metric = "reward";
  config.cost_metric = "cost";
  config.targets = {12};
  config.strategy = GuidedOptions{};
  config.trainings = 60;
  const auto reward = [](const Architecture& one) {
    double sum = 0;
    for (std::size_t l = 0; l < one.size(); ++l)
      sum += std::sqrt(static_cast<double>(one[l])) * static_cast<double>(1 + l);
    return sum;
  };
  double best = 0;
  for (int code = 0; code < 4096; ++code) {
    Architecture one;
    for (int l = 0; l < 6; ++l) one.push_back(static_cast<OptionIndex>(code >> 2 * l & 3));
    if (config.space.Cost(one) <= 12) best = std::max(best, reward(one));
  }
  Search search(config, 0);
  while (!IsFinal(search.state())) {
    if (const auto work = search.StartWork(1)) {
      work->Run();
      search.FinishWork(*work, 0);
    }
    const Candidate* candidate = search.Lease("w", "", {});
    ASSERT_NE(candidate, nullptr);
    search.Complete(candidate->number, 1, "w", Metrics{{"reward", reward(candidate->architecture)}}, {});
  }
  const std::uint64_t found = search.BestPerTarget().front().candidate;
  ASSERT_NE(found, 0u);
  EXPECT_NEAR(search.candidate(found)->reward, best, 1e-9);
}

TEST(GuidedStrategy, ARestartAtTheEndOfTheDesignChangesNothing) {
  SearchConfig config;
  config.space = MakeSpace(12, 6, true);
  config.reward_metric = "reward";
  config.cost_metric = "cost";
  // The number of a proposal determines its target.
  config.targets = {25, 40, 60, 80};
  config.strategy = GuidedOptions{};
  config.trainings = 60;
  const auto train_one = [](Search& search) {
    const Candidate* candidate = search.Lease("w", "", {});
    if (candidate == nullptr) return false;
    search.Complete(candidate->number, 1, "w", Metrics{{"reward", static_cast<double>(candidate->number % 5)}}, {});
    return true;
  };
  Search search(config, 0);
  while (train_one(search)) continue;
  Search restarted(search.config(), search.status(), search.candidates());
  std::vector<std::vector<Architecture>> next;
  for (Search* one : {&search, &restarted}) {
    const auto work = one->StartWork(4);
    ASSERT_NE(work, nullptr);
    work->Run();
    one->FinishWork(*work, 0);
    auto& proposals = next.emplace_back();
    while (const Candidate* candidate = one->Lease("w", "", {})) proposals.push_back(candidate->architecture);
    EXPECT_EQ(proposals.size(), 4u);
  }
  EXPECT_EQ(next[0], next[1]);
}

TEST(GuidedStrategy, LearnsWhatIsInfeasible) {
  SearchConfig config;
  config.space = MakeSpace(8, 4, false);
  config.reward_metric = "reward";
  config.cost_metric = "cost";
  config.strategy = GuidedOptions{};
  config.trainings = 60;
  Search search(config, 0);
  int infeasible_late = 0;
  while (!IsFinal(search.state())) {
    if (const auto work = search.StartWork(1)) {
      work->Run();
      search.FinishWork(*work, 0);
    }
    const Candidate* candidate = search.Lease("w", "", {});
    ASSERT_NE(candidate, nullptr);
    // The most promising options of two layers need too much memory.
    if (candidate->architecture[2] == 3 || candidate->architecture[5] == 3) {
      if (search.trainings() > 30) ++infeasible_late;
      search.Fail(candidate->number, 1, "w", FailureKind::kInfeasible, "out of memory", {});
      continue;
    }
    double reward = 0;
    for (const OptionIndex option : candidate->architecture) reward += std::sqrt(static_cast<double>(option));
    search.Complete(candidate->number, 1, "w", Metrics{{"reward", reward}, {"cost", reward}}, {});
  }
  // Of 30. Without learning, more than half of the most promising candidates would be infeasible.
  EXPECT_LE(infeasible_late, 3);
}

// Knowledge moves to the computation and back: no work on the owner's thread grows with the
// results.
TEST(GuidedStrategy, HandsItsKnowledgeOverInATimeThatDoesNotGrowWithTheResults) {
  const Space space = MakeSpace(20, 5, true);
  const auto hand_over = [&space](int results) {
    RandomStream random({1});
    std::vector<PastProposal> past;
    for (int i = 0; i < results; ++i) {
      Architecture one;
      for (int l = 0; l < 20; ++l) one.push_back(static_cast<OptionIndex>(random.Below(5)));
      past.push_back({{std::move(one), {}}, Observation::Result({random.Uniform(), random.Uniform()})});
    }
    GuidedStrategy strategy(space, {}, 1'000'000, 1);
    strategy.Restore(past);
    while (strategy.Propose()) continue;
    return CpuSecondsOf([&strategy] {
      for (int i = 0; i < 1'000; ++i) {
        const auto work = strategy.StartWork(1);
        ASSERT_NE(work, nullptr);
        strategy.FinishWork(*work);
      }
    });
  };
  const double few = hand_over(500);
  const double many = hand_over(50'000);
  // A copy would take a hundred times as long.
  EXPECT_LT(many, 5 * few + 0.05);
}

TEST(GuidedStrategy, IsGuidedHoweverManyResultsThereAre) {
  for (const std::vector<double>& targets : {std::vector<double>{}, std::vector<double>{60, 80, 100}}) {
    SearchConfig config;
    config.space = MakeSpace(20, 5, true);
    config.reward_metric = "reward";
    config.cost_metric = "cost";
    config.targets = targets;
    config.strategy = GuidedOptions{};
    config.trainings = 2'000;
    const auto reward = [](const Architecture& one) {
      double sum = 0;
      for (std::size_t l = 0; l < one.size(); ++l) sum += one[l] == (l * 3) % 5 ? 1 : 0;
      return sum;
    };
    RandomStream random({1});
    std::deque<Candidate> past;
    for (std::uint64_t number = 1; number <= 900; ++number) {
      Candidate& one = past.emplace_back();
      one.number = number;
      for (int l = 0; l < 20; ++l) one.architecture.push_back(static_cast<OptionIndex>(random.Below(5)));
      one.state = CandidateState::kSucceeded;
      one.attempt = one.result_attempt = 1;
      one.reward = reward(one.architecture);
      one.cost = config.space.Cost(one.architecture);
      one.metrics = Metrics{{"reward", one.reward}};
    }
    SearchStatus status;
    status.started = 1;
    Search search(config, status, past);
    while (const Candidate* design = search.Lease("w", "", {})) {
      search.Complete(design->number, 1, "w", Metrics{{"reward", reward(design->architecture)}}, {});
    }
    const auto work = search.StartWork(16);
    ASSERT_NE(work, nullptr);
    work->Run();
    search.FinishWork(*work, 0);
    double sum = 0;
    int count = 0;
    while (const Candidate* candidate = search.Lease("w", "", {})) {
      sum += reward(candidate->architecture);
      ++count;
    }
    ASSERT_EQ(count, 16);
    // If they were drawn uniformly, like the earlier ones, 4 of 20 layers would have their best
    // option.
    EXPECT_GT(sum / count, 8) << targets.size() << " targets";
  }
}

}  // namespace
}  // namespace layernas::core
