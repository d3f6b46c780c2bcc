// Tests that architectures which are the same network are trained only once.
#include "common/spec/costs.h"
#include "common/spec/counts.h"
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using core::CandidateState;
using core::CompletionVerdict;
using core::SearchState;

class TwinsTest : public EngineTest {
 protected:
  // The 27 architectures of a cell with three nodes, by the operations on the edges 0→1, 0→2 and
  // 1→2.
  static v1::SearchSpec CellSpec(const std::string& name) {
    v1::SearchSpec spec;
    spec.set_name(name);
    v1::Network& network = *spec.mutable_space()->mutable_network();
    for (const int size : {3, 32, 32}) network.add_input(size);
    network.set_classes(10);
    (*network.mutable_parameters()->mutable_fields())["cells"].set_number_value(5);
    for (const char* edge : {"edge01", "edge02", "edge12"}) {
      v1::Layer& layer = *spec.mutable_space()->add_layers();
      layer.set_name(edge);
      for (const char* option : {"none", "skip_connect", "nor_conv_3x3"}) layer.add_options()->set_name(option);
    }
    spec.mutable_objective()->set_cost("latency_ms");
    spec.mutable_strategy()->mutable_exhaustive();
    return spec;
  }
  CompletionVerdict CompleteMeasured(const LeasedTask& task) {
    return Report("w", task.token, core::Metrics{{"accuracy", 0.5}, {"latency_ms", 3}});
  }
};

// The possible values of node 2. x is node 0, C(x) a convolution of it, and S the shift that
// remains of a convolution of zeros: zeros, x, x+x, C(x), C(x)+x, C(x)+C(x), C(C(x)), C(C(x))+x,
// C(C(x))+C(x), S, S+x, S+C(x).
constexpr int kNetworks = 12;

TEST_F(TwinsTest, EachNetworkOfACellIsTrainedOnce) {
  const std::string name = Create(CellSpec("cell"));
  int trained = 0;
  for (Tasks tasks = Lease("w", 1); !tasks.empty(); tasks = Lease("w", 1)) {
    EXPECT_EQ(CompleteMeasured(tasks[0]).status, CompletionVerdict::kAccepted);
    if (++trained == 5) Restart();
  }
  EXPECT_EQ(trained, kNetworks);
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_THAT(Get(name)->state_reason, HasSubstr("nothing is left to try"));
  EXPECT_EQ(Get(name)->trainings, kNetworks);
  EXPECT_EQ(Get(name)->candidates.at(CandidateState::kSucceeded), 27u);
  EXPECT_THAT(Check().problems, IsEmpty());
}

// Each of the 27 architectures has the counts of its own, also of operations without effect.
TEST_F(TwinsTest, EachHasItsOwnCounts) {
  struct Case {
    const char* cost;
    bool counted;
    bool cost_tells_apart;
  };
  for (const Case& one : {Case{"params", false, true},
                          {"multiply_adds", false, true},
                          {"params", true, false},
                          {"latency_ms", false, false}}) {
    SCOPED_TRACE(one.cost + std::string(one.counted ? ", counted" : ""));
    v1::SearchSpec spec = CellSpec("counts");
    spec.mutable_objective()->set_cost(one.cost);
    if (one.counted) {
      ASSERT_TRUE(spec::CountCosts(spec).ok());
    }
    const spec::ArchitectureCounter counter(spec.space());
    const std::string name = Create(spec);
    const auto metrics_of = [&](const core::Architecture& architecture) {
      const network::Counts counts = *counter.Count(architecture);
      return core::Metrics{{"accuracy", 0.5},
                           {"latency_ms", 3},
                           {"multiply_adds", static_cast<double>(counts.multiply_adds)},
                           {"params", static_cast<double>(counts.params)}};
    };
    int trained = 0;
    for (Tasks tasks = Lease("w", 1); !tasks.empty(); tasks = Lease("w", 1)) {
      const core::Candidate leased = Candidates(name).back();
      EXPECT_EQ(Report("w", tasks[0].token, metrics_of(leased.architecture)).status, CompletionVerdict::kAccepted);
      ++trained;
    }
    if (one.cost_tells_apart) {
      EXPECT_GT(trained, kNetworks);
    } else {
      EXPECT_EQ(trained, kNetworks);
    }
    EXPECT_LT(trained, 27);
    const std::vector<core::Candidate> candidates = Candidates(name);
    EXPECT_EQ(candidates.size(), 27u);
    for (const core::Candidate& candidate : candidates) {
      EXPECT_EQ(candidate.metrics, metrics_of(candidate.architecture)) << candidate.number;
      EXPECT_EQ(candidate.cost, candidate.metrics.Find(one.cost)) << candidate.number;
    }
  }
}

TEST_F(TwinsTest, AnEvaluatorThatCountsInAnotherWayIsBelieved) {
  const std::string name = Create(CellSpec("cell"));
  const core::Metrics metrics = {{"accuracy", 0.5}, {"latency_ms", 3}, {"params", 7}};
  for (Tasks tasks = Lease("w", 1); !tasks.empty(); tasks = Lease("w", 1)) Report("w", tasks[0].token, metrics);
  for (const core::Candidate& candidate : Candidates(name)) EXPECT_EQ(candidate.metrics, metrics);
}

TEST_F(TwinsTest, WaitsThroughARestart) {
  const std::string name = Create(CellSpec("cell"));
  const Tasks tasks = Lease("w", kNetworks + 1);
  ASSERT_EQ(tasks.size(), static_cast<std::size_t>(kNetworks));
  EXPECT_EQ(Get(name)->candidates.at(CandidateState::kQueued), 27u - kNetworks);
  Restart();
  EXPECT_THAT(Check().problems, IsEmpty());
  EXPECT_THAT(Lease("w", 4), IsEmpty());
  for (const LeasedTask& task : tasks) EXPECT_EQ(CompleteMeasured(task).status, CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->state, SearchState::kSucceeded);
  EXPECT_EQ(metrics_->results_reused.Value(), 27 - kNetworks);
  EXPECT_THAT(Check().problems, IsEmpty());
  for (const core::Candidate& candidate : Candidates(name)) {
    if (candidate.twin_of == 0) continue;
    const std::string twin = CandidateName(name, candidate.number);
    const auto log = Await<TaskLogView>([&](auto reply) { engine_->GetTaskLog(twin, 0, reply); });
    EXPECT_THAT(log.status().message(), HasSubstr("it is the same network as " + name));
  }
}

TEST_F(TwinsTest, OtherSpacesHaveNone) {
  v1::SearchSpec spec = CellSpec("blocks");
  spec.mutable_space()->mutable_network()->clear_parameters();
  Create(spec);
  EXPECT_EQ(Lease("w", 30).size(), 27u);
}

}  // namespace
}  // namespace layernas
