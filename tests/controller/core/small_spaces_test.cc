// Whole searches on spaces of 1 to 300 architectures. With any strategy, budget, targets,
// finalists, finals and time limit, a search ends, gives the true reason, and has done everything
// that it should by then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <tuple>

#include "common/base/cost_limit.h"
#include "controller/core/search.h"
#include "controller/core/strategies/within_limit.h"
#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

constexpr std::size_t kMaxSize = 300;
constexpr std::size_t kMaxLayers = 6;
// Up to this size, every shape is tried with every budget.
constexpr std::size_t kThorough = 12;
constexpr int kRepetitions = 6;

using Shape = std::vector<OptionIndex>;

// Appends the ways to write `size` as a product of ascending factors of at least `least`.
void AddShapes(std::size_t size, std::size_t least, Shape& prefix, std::vector<Shape>& shapes) {
  if (size == 1 && !prefix.empty()) shapes.push_back(prefix);
  if (prefix.size() == kMaxLayers) return;
  for (std::size_t factor = least; factor <= size; ++factor) {
    if (size % factor != 0) continue;
    prefix.push_back(static_cast<OptionIndex>(factor));
    AddShapes(size / factor, factor, prefix, shapes);
    prefix.pop_back();
  }
}

std::vector<Shape> ShapesOf(std::size_t size) {
  if (size == 1) return {{1}, {1, 1, 1}};
  std::vector<Shape> shapes;
  Shape prefix;
  AddShapes(size, 2, prefix, shapes);
  return shapes;
}

enum class Targets { kNone, kAllMeet, kSomeMeet, kNoneMeets, kTwo };
constexpr Targets kAllTargets[] = {Targets::kNone, Targets::kAllMeet, Targets::kSomeMeet, Targets::kNoneMeets,
                                   Targets::kTwo};

struct Kind {
  const char* name;
  StrategyConfig (*config)(const Space& space, RandomStream& random);
  // What it has proposed when nothing is left: exactly what is wanted, that and an initial design,
  // or what its tables lead to.
  enum { kExactly, kAtLeast, kWhatever } proposes;
  // One in this number of cases of larger spaces is tried, because fitting models takes time.
  std::size_t one_in;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

// One search with its evaluators. Everything is drawn from the seed.
class Trial {
 public:
  Trial(const Kind& kind, Shape shape, Targets targets, std::int64_t trainings, std::uint64_t seed)
      : kind_(kind), seed_(seed), random_({seed, 1}) {
    while (shape.size() < kMaxLayers && random_.Below(4) == 0) shape.push_back(1);
    Shuffle(shape, random_);
    MakeSpace(shape);
    SetTargets(targets);
    config_.reward_metric = "accuracy";
    config_.cost_metric = "latency_ms";
    config_.strategy = kind.config(config_.space, random_);
    config_.seed = seed;
    config_.trainings = trainings;
    if (random_.Below(2) == 0) {
      config_.finalists = {2 + static_cast<int>(random_.Below(2)), 1 + static_cast<std::int64_t>(random_.Below(6))};
    }
    if (random_.Below(2) == 0) {
      config_.finals = {1 + static_cast<int>(random_.Below(2)), 1 + static_cast<int>(random_.Below(2))};
    }
    // A step takes one second, and a training takes two steps.
    if (random_.Below(4) == 0) config_.duration = Millis(1000 * (1 + random_.Below(2 * all_.size() + 10)));
    slots_ = 1 + random_.Below(8);
    some_fail_ = random_.Below(3) == 0;
    restarts_ = random_.Below(4) == 0;
  }

  void Check() {
    search_ = std::make_unique<Search>(config_, now_.unix_ms);
    NoteSearchingOver();
    // Almost every step gives out an attempt or accepts one.
    const std::size_t max_steps = 20 * (all_.size() + 40);
    std::size_t steps = 0;
    for (; steps < max_steps && !IsFinal(search_->state()); ++steps) {
      Step();
      if (::testing::Test::HasFailure()) return;
    }
    ASSERT_LT(steps, max_steps) << "the search does not end";
    CheckEnd();
  }

 private:
  struct Mean {
    std::uint64_t candidate = 0;
    double reward = 0;
    double cost = 0;
    // The number of started trainings, including the first one.
    int trainings = 0;
  };

  void MakeSpace(const Shape& shape) {
    const bool per_layer = random_.Below(2) == 0;
    for (const OptionIndex options : shape) {
      Layer& layer = config_.space.layers.emplace_back();
      layer.option_count = options;
      layer.default_option = static_cast<OptionIndex>(random_.Below(options));
      for (int o = 0; o < options && per_layer; ++o) layer.costs.push_back(1 + static_cast<double>(random_.Below(9)));
    }
    all_ = AllArchitectures(config_.space);
  }

  void SetTargets(Targets targets) {
    std::vector<double> costs;
    for (const Architecture& one : all_) costs.push_back(CostOf(one));
    std::sort(costs.begin(), costs.end());
    if (targets == Targets::kAllMeet) config_.targets = {costs.back()};
    if (targets == Targets::kSomeMeet) config_.targets = {costs[costs.size() / 3]};
    if (targets == Targets::kNoneMeets) config_.targets = {costs.front() * 0.9, costs.front() * 0.5};
    if (targets == Targets::kTwo) config_.targets = {costs.front(), costs[costs.size() * 2 / 3]};
    for (const Architecture& one : all_) {
      const bool is_wanted = !config_.space.CostIsPerLayer() || MeetsLimit(CostOf(one), HighestTarget(config_.targets));
      if (is_wanted) wanted_.insert(one);
    }
  }

  double CostOf(const Architecture& one) const {
    if (config_.space.CostIsPerLayer()) return config_.space.Cost(one);
    return 1 + static_cast<double>(Hash(one, seed_) % 30);
  }

  void Step() {
    now_.steady += Millis{1000};
    now_.unix_ms += 1000;
    search_->CheckTime(now_.unix_ms);
    NoteSearchingOver();
    if (IsFinal(search_->state())) return;
    if (restarts_ && random_.Below(20) == 0) {
      search_ = std::make_unique<Search>(config_, search_->status(), search_->candidates());
    }
    ASSERT_FALSE(live_.empty() && search_->Ready() == 0) << "nothing is under way and nothing can be leased";
    if (live_.size() < slots_ && (live_.empty() || random_.Below(3) > 0) && Lease()) return;
    if (live_.empty()) return;
    std::swap(live_[random_.Below(live_.size())], live_.back());
    const std::uint64_t number = live_.back();
    live_.pop_back();
    Report(*search_->candidate(number));
    NoteSearchingOver();
  }

  bool Lease() {
    if (const auto work = search_->StartWork(1 + random_.Below(slots_))) {
      work->Run();
      search_->FinishWork(*work, now_.unix_ms);
      NoteSearchingOver();
    }
    const bool was_over = !search_->status().searching_over.empty();
    const std::size_t known = search_->candidates().size();
    const std::string worker = "w" + std::to_string(random_.Below(3));
    const Candidate* leased = search_->Lease(worker, "r", now_, TaskKind::kEvaluate, Others::kNone);
    NoteSearchingOver();
    if (leased == nullptr) return false;
    live_.push_back(leased->number);
    const bool is_first = leased->repeat_of == 0 && leased->final_of == 0;
    EXPECT_FALSE(was_over && is_first && leased->number > known) << "searching was over";
    if (config_.trainings > 0) {
      EXPECT_LE(search_->trainings(), config_.trainings);
    }
    return true;
  }

  void Report(const Candidate& candidate) {
    const Architecture& one = candidate.architecture;
    const auto which = static_cast<std::uint64_t>(candidate.repeat + 10 * candidate.final_seed);
    RandomStream draw({seed_, 2, which, Fingerprint(one)});
    const std::uint64_t fate = some_fail_ ? draw.Below(8) : 7;
    if (fate < 2 || (fate == 2 && candidate.attempt == 1)) {
      const FailureKind kind = fate == 0 ? FailureKind::kInfeasible : FailureKind::kEvaluator;
      search_->Fail(candidate.number, candidate.attempt, candidate.worker, kind, "failed", now_);
      return;
    }
    const double reward = static_cast<double>(Hash(one, seed_) % 12) + static_cast<double>(draw.Below(8)) / 4;
    const double noise = which == 0 ? 0 : static_cast<double>(draw.Below(5)) / 4;
    const Metrics metrics = {{"accuracy", reward}, {"latency_ms", CostOf(one) + noise}};
    const CompletionVerdict verdict =
        search_->Complete(candidate.number, candidate.attempt, candidate.worker, {metrics}, now_);
    EXPECT_EQ(verdict.status, CompletionVerdict::kAccepted) << verdict.message;
  }

  // Records the state when searching ended, and compares the reason with it.
  void NoteSearchingOver() {
    const std::string over = search_->status().searching_over;
    if (over.empty() || !over_.empty()) {
      EXPECT_EQ(over, over_) << "the reason has changed";
      return;
    }
    over_ = over;
    const std::int64_t budget = config_.trainings;
    const std::int64_t left = budget - search_->trainings();
    std::set<Architecture> tried;
    for (const Candidate& candidate : search_->candidates()) tried.insert(candidate.architecture);
    if (budget > 0 && left == 0) {
      EXPECT_EQ(over,
                "its budget of " + std::to_string(budget) + (budget == 1 ? " training" : " trainings") + " is used");
      return;
    }
    const Millis passed = search_->started() == 0 ? Millis{0} : Millis{now_.unix_ms - search_->started()};
    if (config_.duration.count() > 0 && passed >= config_.duration) {
      EXPECT_EQ(over, "its time of " + std::to_string(config_.duration.count() / 1000) + " s is up");
      return;
    }
    if (over.starts_with("its finalists are settled")) {
      // No further architecture could have all its trainings.
      EXPECT_GT(config_.finalists.trainings, left);
      EXPECT_GT(budget, 0);
      return;
    }
    EXPECT_THAT(over, StartsWith("nothing is left to try: "));
    if (kind_.proposes == Kind::kWhatever) {
      EXPECT_FALSE(tried.empty());
    } else if (kind_.proposes == Kind::kExactly || wanted_.empty()) {
      EXPECT_EQ(tried, wanted_);
    } else {
      EXPECT_TRUE(std::includes(tried.begin(), tried.end(), wanted_.begin(), wanted_.end()));
    }
  }

  void CheckEnd() const {
    const auto& candidates = search_->candidates();
    const bool any = search_->CountOf(CandidateState::kSucceeded) > 0;
    EXPECT_EQ(search_->state(), any ? SearchState::kSucceeded : SearchState::kFailed);
    EXPECT_FALSE(over_.empty());
    const std::int64_t budget = config_.trainings;
    const std::int64_t left = budget - search_->trainings();
    std::string reason = over_;
    if (budget > 0 && left > 0) {
      reason += "; " + std::to_string(left) + " of " + std::to_string(budget) +
                (budget == 1 ? " training" : " trainings") + " unused";
    }
    if (any) {
      EXPECT_EQ(search_->state_reason(), reason);
    } else {
      EXPECT_THAT(search_->state_reason(), AnyOf(EndsWith("; " + reason), EndsWith(": " + reason)));
    }
    if (!some_fail_) {
      if (kind_.proposes != Kind::kWhatever) {
        EXPECT_EQ(any, !wanted_.empty());
      }
      EXPECT_EQ(search_->CountOf(CandidateState::kSucceeded), candidates.size()) << "a result under way was not taken";
    }
    std::set<Architecture> distinct;
    for (const Candidate& one : candidates) {
      EXPECT_TRUE(IsFinal(one.state));
      if (one.repeat_of == 0 && one.final_of == 0) {
        EXPECT_TRUE(distinct.insert(one.architecture).second) << "trained twice";
      }
    }
    const std::vector<Mean> means = Means();
    CheckRepeats(means);
    CheckFinals(means);
  }

  std::vector<Mean> Means() const {
    std::map<std::uint64_t, std::vector<const Candidate*>> trained;
    std::map<std::uint64_t, int> begun;
    for (const Candidate& one : search_->candidates()) {
      if (one.final_of != 0) continue;
      const std::uint64_t first = one.repeat_of == 0 ? one.number : one.repeat_of;
      ++begun[first];
      if (one.state == CandidateState::kSucceeded) trained[first].push_back(&one);
    }
    std::vector<Mean> means;
    for (const auto& [first, results] : trained) {
      Mean mean{first, 0, 0, begun[first]};
      for (const Candidate* one : results) {
        mean.reward += one->reward;
        mean.cost += one->cost;
      }
      mean.reward /= static_cast<double>(results.size());
      mean.cost /= static_cast<double>(results.size());
      means.push_back(mean);
    }
    return means;
  }

  // Checks that all repeats that the options allow were made, unless the budget was used up. For
  // each target, the best candidate had all its trainings; without targets, the whole frontier had.
  void CheckRepeats(const std::vector<Mean>& means) const {
    std::int64_t repeats = 0;
    std::uint64_t first_repeat = 0;
    for (const Candidate& one : search_->candidates()) {
      if (one.repeat_of == 0) continue;
      if (repeats++ == 0) first_repeat = one.number;
    }
    const FinalistOptions& options = config_.finalists;
    for (const Mean& mean : means) EXPECT_LE(mean.trainings, options.trainings);
    if (options.trainings <= 1) {
      EXPECT_EQ(repeats, 0);
      return;
    }
    EXPECT_LE(repeats, options.repeats);
    if (over_.starts_with("its budget") && first_repeat != 0) {
      // They are the last trainings of the budget.
      EXPECT_GT(static_cast<std::int64_t>(first_repeat), config_.trainings - options.repeats);
    }
    if (repeats == options.repeats || (config_.trainings > 0 && search_->trainings() == config_.trainings)) return;
    const auto has_all = [&](double reward, double min_cost, double max_cost) {
      return std::any_of(means.begin(), means.end(), [&](const Mean& one) {
        return one.reward >= reward && one.cost >= min_cost && MeetsLimit(one.cost, max_cost) &&
               one.trainings == options.trainings;
      });
    };
    for (const double target : config_.targets) {
      for (const Mean& one : means) {
        if (!MeetsLimit(one.cost, target)) continue;
        EXPECT_TRUE(has_all(one.reward, 0, target)) << "candidate " << one.candidate << " within " << target;
      }
    }
    if (!config_.targets.empty()) return;
    for (const Mean& one : means) {
      const bool is_dominated = std::any_of(means.begin(), means.end(), [&](const Mean& other) {
        return (other.reward > one.reward && other.cost <= one.cost) ||
               (other.reward >= one.reward && other.cost < one.cost);
      });
      if (is_dominated) continue;
      EXPECT_TRUE(has_all(one.reward, one.cost, one.cost)) << "candidate " << one.candidate << " of the frontier";
    }
  }

  // Checks that every winner was trained in full with every seed, after everything else.
  void CheckFinals(const std::vector<Mean>& means) const {
    std::vector<std::uint64_t> winners;
    std::vector<double> targets = config_.targets;
    if (targets.empty()) targets.push_back(std::numeric_limits<double>::infinity());
    for (const double target : targets) {
      std::vector<std::tuple<double, double, std::uint64_t>> within;
      for (const Mean& one : means) {
        if (MeetsLimit(one.cost, target)) within.emplace_back(-one.reward, one.cost, one.candidate);
      }
      std::sort(within.begin(), within.end());
      within.resize(std::min(within.size(), static_cast<std::size_t>(config_.finals.per_target)));
      for (const auto& [reward, cost, candidate] : within) {
        if (std::find(winners.begin(), winners.end(), candidate) == winners.end()) winners.push_back(candidate);
      }
    }
    EXPECT_EQ(search_->winners(), winners);
    std::vector<std::pair<std::uint64_t, int>> expected;
    for (int seed = 1; seed <= config_.finals.seeds; ++seed) {
      for (const std::uint64_t winner : winners) expected.emplace_back(winner, seed);
    }
    std::vector<std::pair<std::uint64_t, int>> finals;
    for (const Candidate& one : search_->candidates()) {
      if (one.final_of != 0) {
        finals.emplace_back(one.final_of, one.final_seed);
      } else {
        EXPECT_TRUE(finals.empty()) << "a training in full comes before a training of the search";
      }
    }
    EXPECT_EQ(finals, expected);
  }

  const Kind& kind_;
  const std::uint64_t seed_;
  RandomStream random_;
  SearchConfig config_;
  std::vector<Architecture> all_;
  // The architectures that should have been tried when nothing is left.
  std::set<Architecture> wanted_;
  std::size_t slots_ = 1;
  bool some_fail_ = false;
  bool restarts_ = false;

  Instant now_{SteadyTime(Millis(1'000'000)), 1'000'000};
  std::unique_ptr<Search> search_;
  std::vector<std::uint64_t> live_;
  std::string over_;
};

// 0: no budget.
std::vector<std::int64_t> BudgetsFor(std::size_t size) {
  const auto whole = static_cast<std::int64_t>(size);
  if (size > kThorough) return {0, 1, whole / 2, whole - 1, whole, whole + 1, whole + 10};
  std::vector<std::int64_t> budgets(size + 11);
  std::iota(budgets.begin(), budgets.end(), 0);
  return budgets;
}

class SmallSpaces : public ::testing::TestWithParam<Kind> {};

TEST_P(SmallSpaces, EverySearchEndsAndHasDoneWhatItShould) {
  std::uint64_t seed = 0;
  std::size_t runs = 0;
  for (std::size_t size = 1; size <= kMaxSize; ++size) {
    RandomStream random({size, 3});
    std::vector<Shape> shapes = ShapesOf(size);
    if (size > kThorough) shapes = {shapes[random.Below(shapes.size())]};
    const int repetitions = size <= kThorough ? kRepetitions : 1;
    for (const Shape& shape : shapes) {
      for (const std::int64_t budget : BudgetsFor(size)) {
        for (int i = 0; i < repetitions * static_cast<int>(std::size(kAllTargets)); ++i) {
          const Targets targets = kAllTargets[i % std::size(kAllTargets)];
          ++seed;
          if (random.Below(size <= kThorough ? 1 : GetParam().one_in) != 0) continue;
          SCOPED_TRACE(::testing::Message() << ::testing::PrintToString(shape) << " budget " << budget << " targets "
                                            << static_cast<int>(targets) << " seed " << seed);
          Trial(GetParam(), shape, targets, budget, seed).Check();
          if (HasFailure()) return;
          ++runs;
        }
      }
    }
  }
  EXPECT_GT(runs, 1000u);
}

INSTANTIATE_TEST_SUITE_P(
    Strategies, SmallSpaces,
    ::testing::Values(
        Kind{"random", [](const Space&, RandomStream&) -> StrategyConfig { return RandomOptions{}; }, Kind::kExactly,
             1},
        Kind{"evolution",
             [](const Space&, RandomStream& random) -> StrategyConfig {
               return EvolutionOptions{2 + static_cast<int>(random.Below(6)), 1 + static_cast<int>(random.Below(4))};
             },
             Kind::kExactly, 1},
        Kind{"exhaustive", [](const Space&, RandomStream&) -> StrategyConfig { return ExhaustiveOptions{}; },
             Kind::kExactly, 1},
        Kind{"layernas", DrawLayerNas, Kind::kWhatever, 1},
        Kind{"guided", [](const Space&, RandomStream&) -> StrategyConfig { return GuidedOptions{}; }, Kind::kAtLeast,
             150}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace layernas::core
