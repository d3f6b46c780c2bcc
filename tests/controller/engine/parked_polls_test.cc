#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using core::CandidateState;
using core::CompletionVerdict;

class ParkedPollsTest : public EngineTest {
 protected:
  Awaited<Tasks> ParkLabelled(const std::string& worker, const std::map<std::string, std::string>& labels,
                              Millis wait = Millis{60'000}) {
    LeaseRequest request = Request(worker, 1, wait);
    request.worker.labels = labels;
    return Park(request);
  }
  static v1::SearchSpec Requiring(const std::string& name, const std::string& device, int trainings) {
    v1::SearchSpec spec = RandomSpec(name, trainings);
    (*spec.mutable_evaluation()->mutable_require())["device"] = device;
    return spec;
  }
  std::vector<WorkerView> Workers() {
    return *Await<std::vector<WorkerView>>([this](auto reply) { engine_->ListWorkers("", 100, reply); });
  }
};

TEST_F(ParkedPollsTest, WorkGoesPastThoseWhoCantTakeIt) {
  const Awaited<Tasks> cpu = ParkLabelled("a", {{"device", "cpu"}});
  const Awaited<Tasks> gpu = ParkLabelled("b", {{"device", "gpu"}});
  const Awaited<Tasks> both = ParkLabelled("c", {{"device", "gpu"}, {"rack", "7"}});
  const std::string name = Create(Requiring("g", "gpu", 2));
  EXPECT_THAT(*gpu.Get(), SizeIs(1));
  EXPECT_THAT(*both.Get(), SizeIs(1));
  Settle();
  EXPECT_FALSE(cpu.Answered());
  // This also holds for later requirements and later polls.
  const std::string other = Create(Requiring("c", "cpu", 2));
  EXPECT_EQ(cpu.Get()->at(0).search_name, other);
  EXPECT_EQ(ParkLabelled("d", {{"device", "cpu"}}).Get()->at(0).search_name, other);
}

TEST_F(ParkedPollsTest, SearchesShareAFleetThatIsParked) {
  std::vector<Awaited<Tasks>> polls;
  for (int i = 0; i < 40; ++i) polls.push_back(Park("w" + std::to_string(i)));
  const std::string first = Create(RandomSpec("a", 10));
  const std::string second = Create(RandomSpec("b", 10));
  const std::string third = Create(Requiring("c", "gpu", 10));
  std::map<std::string, int> tasks;
  for (int i = 0; i < 20; ++i) ++tasks[polls[i].Get()->at(0).search_name];
  EXPECT_EQ(tasks, (std::map<std::string, int>{{first, 10}, {second, 10}}));
  Settle();
  for (int i = 20; i < 40; ++i) EXPECT_FALSE(polls[i].Answered());
}

TEST_F(ParkedPollsTest, AnAttemptThatFailedOnTheOldestGoesToTheNext) {
  const std::string name = Create(RandomSpec("s", 1));
  const LeasedTask task = LeaseOne("a");
  const Awaited<Tasks> same = Park("a");
  const Awaited<Tasks> other = Park("b");
  EXPECT_EQ(Report("a", task.token, std::nullopt).status, CompletionVerdict::kAccepted);
  Settle();
  EXPECT_FALSE(other.Answered());
  // The first back-off.
  Pass(Millis{500});
  ASSERT_TRUE(other.Answered());
  EXPECT_EQ(other.Get()->at(0).token, Token(1, 1, 2));
  EXPECT_FALSE(same.Answered());
}

TEST_F(ParkedPollsTest, AnAttemptThatFailedOnTheOnlyOneComesBackToIt) {
  const std::string name = Create(RandomSpec("s", 1));
  const LeasedTask task = LeaseOne("a");
  const Awaited<Tasks> same = Park("a");
  EXPECT_EQ(Report("a", task.token, std::nullopt).status, CompletionVerdict::kAccepted);
  Settle();
  EXPECT_FALSE(same.Answered());
  // After the back-off, because there is no other worker to wait for.
  Pass(Millis{500});
  EXPECT_THAT(*same.Get(), SizeIs(1));
}

TEST_F(ParkedPollsTest, ThousandsAreServedAtOnceEachWithItsOwn) {
  constexpr int kPolls = 5'000;
  std::vector<Awaited<Tasks>> polls(kPolls);
  for (int i = 0; i < kPolls; ++i) {
    engine_->LeaseTasks(Request("w" + std::to_string(i), 1, Millis{60'000}), polls[i].reply());
  }
  Settle();
  Create(RandomSpec("s", kPolls + 1, 8, 8));
  std::set<std::uint64_t> numbers;
  for (int i = 0; i < kPolls; ++i) {
    const auto tasks = polls[i].Get();
    ASSERT_TRUE(tasks.ok()) << tasks.status();
    ASSERT_THAT(*tasks, SizeIs(1));
    // In the order in which they arrived.
    ASSERT_EQ(tasks->at(0).token.number, static_cast<std::uint64_t>(i + 1));
  }
}

// A worker that only waits: its calls last longer than the maximum silence.
TEST_F(ParkedPollsTest, AWorkerWhoseCallWaitsIsKnownAndHeard) {
  options_.lease_duration = Millis{5'000};
  Restart();
  Awaited<Tasks> parked = Park(Request("w", 1, Millis{60'000}));
  for (int i = 0; i < 5; ++i) {
    Pass(Millis{59'999});
    ASSERT_FALSE(parked.Answered());
    ASSERT_THAT(Workers(), SizeIs(1));
    EXPECT_EQ(Workers()[0].since_heard, Millis{0});
    Pass(Millis{1});
    ASSERT_TRUE(parked.Answered());
    // Between two calls.
    Pass(Millis{2'000});
    ASSERT_THAT(Workers(), SizeIs(1));
    EXPECT_EQ(Workers()[0].since_heard, Millis{2'000});
    parked = Park(Request("w", 1, Millis{60'000}));
  }
  Pass(Millis{60'000});
  Pass(Millis{60'001});
  EXPECT_THAT(Workers(), IsEmpty());
}

// A message has a maximum size, and a task may be as large as its spec.
TEST_F(ParkedPollsTest, AnAnswerIsBoundedInBytes) {
  v1::SearchSpec spec = RandomSpec("s", 1'000, 8, 8);
  auto& parameters = *spec.mutable_space()->mutable_layers(0)->mutable_parameters()->mutable_fields();
  parameters["text"].set_string_value(std::string(1 << 20, 'x'));
  Create(spec);
  const Tasks tasks = Lease("w", 64);
  EXPECT_GE(tasks.size(), 1u);
  EXPECT_LE(tasks.size() << 20, 9u << 20);
  EXPECT_THAT(Lease("w", 1), SizeIs(1));
}

}  // namespace
}  // namespace layernas
