// Proposals are chosen as late as possible: for the slots that can take them, after each result.
#include <gtest/gtest.h>

#include <iostream>

#include "common/base/random.h"
#include "controller/spec/core_config.h"
#include "tests/controller/support/hand_engine.h"
#include "tests/controller/support/specs.h"

namespace layernas {
namespace {

constexpr int kSeeds = 50;
constexpr int kTrainings = 24;
constexpr int kLayers = 6;
constexpr int kOptions = 4;

// The rewards that each seed gives the space: additive, with interacting pairs.
double Reward(const core::Architecture& architecture, std::uint64_t seed) {
  double reward = 0;
  for (std::size_t i = 0; i < architecture.size(); ++i) {
    reward += RandomStream({seed, i, architecture[i]}).Uniform();
    if (i > 0) reward += 0.3 * RandomStream({seed, 99, i, architecture[i - 1], architecture[i]}).Uniform();
  }
  return reward;
}

double BestReward(std::uint64_t seed) {
  double best = 0;
  core::Architecture architecture(kLayers, 0);
  for (int i = 0; i < 4096; ++i) {
    for (int l = 0; l < kLayers; ++l) architecture[l] = static_cast<core::OptionIndex>(i >> (2 * l) & 3);
    best = std::max(best, Reward(architecture, seed));
  }
  return best;
}

// Returns the architectures that one fitting slot gets, one result at a time, while `parked` other
// slots wait that do not fit. With `max_running` instead of labels, all slots fit, but only one may
// run.
std::vector<core::Architecture> Search(std::uint64_t seed, int parked, bool by_max_running) {
  storage::MemoryStore store(seed);
  FakeClock clock;
  static ControllerMetrics metrics;
  const auto engine = Engine::CreateByHand(
      store, {}, [](std::string_view spec) { return ToCoreConfig(spec); }, metrics, clock, DirectThreads(store));
  EXPECT_TRUE(engine.ok());
  Engine& run = **engine;
  v1::SearchSpec spec = SpaceOf("s", kLayers, kOptions);
  spec.mutable_strategy()->mutable_guided_layernas();
  spec.mutable_strategy()->set_seed(seed);
  spec.mutable_budget()->set_trainings(kTrainings);
  if (by_max_running) {
    spec.mutable_sharing()->set_max_running(1);
  } else {
    (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  }
  run.CreateSearch({spec.name(), spec.SerializeAsString(), *ToCoreConfig(spec.SerializeAsString()), ""},
                   [](const absl::StatusOr<SearchView>& view) { EXPECT_TRUE(view.ok()); });
  TakeTurns(run);
  std::vector<LeasedTask> given;
  const auto park = [&](const std::string& worker, bool fits) {
    LeaseRequest request;
    request.worker.id = worker;
    if (fits) request.worker.labels = {{"device", "gpu"}};
    request.request_id = worker + std::to_string(given.size());
    request.deadline = clock.Now() + std::chrono::hours(1);
    run.LeaseTasks(std::move(request), [&given](const absl::StatusOr<std::vector<LeasedTask>>& tasks) {
      if (tasks.ok()) given.insert(given.end(), tasks->begin(), tasks->end());
    });
  };
  for (int i = 0; i < parked; ++i) park("parked-" + std::to_string(i), by_max_running);
  std::vector<core::Architecture> tried;
  while (static_cast<int>(tried.size()) < kTrainings) {
    if (parked == 0 || !by_max_running) park("fitting", true);
    TakeTurns(run);
    if (given.size() != tried.size() + 1) {
      ADD_FAILURE() << given.size() << " leases after " << tried.size() << " results";
      return tried;
    }
    const LeasedTask& task = given.back();
    tried.push_back(task.architecture);
    Report report;
    report.token = FormatLeaseToken(task.token);
    report.result = core::Metrics{{"accuracy", Reward(task.architecture, seed)}};
    run.CompleteTasks("fitting", {report}, [](const absl::StatusOr<std::vector<core::CompletionVerdict>>& verdicts) {
      EXPECT_EQ(verdicts->at(0).status, core::CompletionVerdict::kAccepted);
    });
  }
  TakeTurns(run);
  return tried;
}

double Regret(const std::vector<core::Architecture>& tried, std::uint64_t seed) {
  double best = 0;
  for (const core::Architecture& one : tried) best = std::max(best, Reward(one, seed));
  return BestReward(seed) - best;
}

TEST(LateChoice, SlotsThatDoNotFitChangeNothing) {
  double alone_sum = 0;
  double crowd_sum = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto alone = Search(seed, 0, false);
    const auto crowd = Search(seed, 255, false);
    EXPECT_EQ(alone, crowd) << "seed " << seed;
    alone_sum += Regret(alone, seed);
    crowd_sum += Regret(crowd, seed);
  }
  std::cout << "mean regret over " << kSeeds << " seeds after " << kTrainings << " trainings: alone "
            << alone_sum / kSeeds << ", with 255 slots parked that do not fit " << crowd_sum / kSeeds << "\n";
}

TEST(LateChoice, SlotsThatMayNotRunChangeNothing) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_EQ(Search(seed, 0, true), Search(seed, 40, true)) << "seed " << seed;
  }
}

// Counts the work that it runs.
class CountingExecutor final : public Executor {
 public:
  explicit CountingExecutor(int& count) : count_(count) {}
  void Post(std::function<void()> work) override {
    ++count_;
    work();
  }

 private:
  int& count_;
};

TEST(LateChoice, SlotsThatTrainWhatWasMeasuredHaveNothingProposed) {
  storage::MemoryStore store(1);
  FakeClock clock;
  static ControllerMetrics metrics;
  int computations = 0;
  EngineThreads threads = DirectThreads(store);
  threads.solver = std::make_unique<CountingExecutor>(computations);
  const auto engine = Engine::CreateByHand(
      store, {}, [](std::string_view spec) { return ToCoreConfig(spec); }, metrics, clock, std::move(threads));
  ASSERT_TRUE(engine.ok());
  Engine& run = **engine;
  v1::SearchSpec spec = SpaceOf("s", kLayers, kOptions);
  spec.mutable_strategy()->mutable_guided_layernas();
  spec.mutable_budget()->set_trainings(kTrainings);
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  (*spec.mutable_evaluation()->mutable_measure_on())["device"] = "phone";
  run.CreateSearch({spec.name(), spec.SerializeAsString(), *ToCoreConfig(spec.SerializeAsString()), ""},
                   [](const absl::StatusOr<SearchView>& view) { EXPECT_TRUE(view.ok()); });
  TakeTurns(run);
  int requests = 0;
  std::vector<LeasedTask> given;
  const auto park = [&](const std::string& device) {
    LeaseRequest request;
    request.worker.id = device;
    request.worker.labels = {{"device", device}};
    request.request_id = std::to_string(++requests);
    request.deadline = clock.Now() + std::chrono::hours(1);
    run.LeaseTasks(std::move(request), [&given](const absl::StatusOr<std::vector<LeasedTask>>& tasks) {
      if (tasks.ok()) given.insert(given.end(), tasks->begin(), tasks->end());
    });
    TakeTurns(run);
  };
  const auto report = [&](const std::string& device, std::optional<core::AttemptResult> result) {
    Report one;
    one.token = FormatLeaseToken(given.back().token);
    one.result = std::move(result);
    run.CompleteTasks(device, {one}, [](const absl::StatusOr<std::vector<core::CompletionVerdict>>&) {});
    TakeTurns(run);
  };
  // The first architectures need no computation. Then one is computed for the phone.
  while (true) {
    park("phone");
    if (computations > 0) break;
    report("phone", core::Metrics{{"latency_ms", 1.0}});
    park("gpu");
    report("gpu", std::nullopt);
    // This slot waits until the back-off is over, and nothing is proposed for it.
    park("gpu");
    ASSERT_EQ(computations, 0) << "after " << given.size() << " leases";
    clock.Pass(Millis{1'000});
    TakeTurns(run);
    report("gpu", core::Metrics{{"accuracy", 0.5}});
  }
  EXPECT_EQ(computations, 1);
  EXPECT_GE(given.size(), 3u * 2);
}

}  // namespace
}  // namespace layernas
