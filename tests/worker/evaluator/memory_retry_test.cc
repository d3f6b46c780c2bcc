#include "worker/evaluator/memory_retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = EvaluationFailure::Kind;

EvaluationOutcome OutOfMemory() { return EvaluationFailure{Kind::kOutOfMemory, "wants 3 GiB"}; }
EvaluationOutcome Good() { return EvaluationResult(Metrics{{"accuracy", 0.5}}); }

// Calls the given functions for one evaluation after another.
class ScriptedEvaluator : public Evaluator {
 public:
  using Step = std::function<EvaluationOutcome()>;
  explicit ScriptedEvaluator(std::deque<Step> steps) : steps_(std::move(steps)) {}

  EvaluationOutcome Evaluate(const Evaluation&, std::stop_token, const std::function<void(const Progress&)>&) override {
    const Step step = steps_.front();
    steps_.pop_front();
    return step();
  }
  void AskKeptToEnd() override { ++asked; }
  void EndKept(SteadyTime) override { ++ended; }

  std::atomic<int> asked = 0;
  std::atomic<int> ended = 0;

 private:
  std::deque<Step> steps_;
};

class MemoryRetryTest : public ::testing::Test {
 protected:
  std::unique_ptr<MemoryRetryEvaluator> Slot(std::deque<ScriptedEvaluator::Step> steps) {
    return std::make_unique<MemoryRetryEvaluator>(std::make_unique<ScriptedEvaluator>(std::move(steps)), machine_);
  }
  EvaluationOutcome Evaluate(MemoryRetryEvaluator& slot, std::stop_token stop = {}) {
    return slot.Evaluate(Evaluation{}, stop, [](const Progress&) {});
  }
  static void WaitFor(const std::atomic<bool>& flag) {
    while (!flag) std::this_thread::yield();
  }

  const std::shared_ptr<SharedMachine> machine_ = std::make_shared<SharedMachine>();
};

TEST_F(MemoryRetryTest, IsDoneTwiceAtMost) {
  const auto slot = Slot({OutOfMemory, Good, OutOfMemory, OutOfMemory, [] {
                            return EvaluationOutcome(EvaluationFailure{Kind::kEvaluator, "crashed"});
                          }});
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(Evaluate(*slot)));
  const EvaluationOutcome outcome = Evaluate(*slot);
  const auto& failure = std::get<EvaluationFailure>(outcome);
  EXPECT_EQ(failure.kind, Kind::kInfeasible);
  EXPECT_THAT(failure.message, HasSubstr("alone"));
  EXPECT_THAT(failure.message, HasSubstr("wants 3 GiB"));
  const EvaluationOutcome crash = Evaluate(*slot);
  EXPECT_EQ(std::get<EvaluationFailure>(crash).kind, Kind::kEvaluator);
}

TEST_F(MemoryRetryTest, WhereTheDataLackMemoryNoArchitectureIsToBlame) {
  const auto lacks = [] {
    EvaluationFailure failure{Kind::kOutOfMemory, "not enough memory to load the data set"};
    failure.of_data = true;
    return EvaluationOutcome(std::move(failure));
  };
  const auto slot = Slot({lacks, Good, lacks, lacks});
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(Evaluate(*slot)));
  const EvaluationOutcome outcome = Evaluate(*slot);
  const auto& failure = std::get<EvaluationFailure>(outcome);
  EXPECT_EQ(failure.kind, Kind::kEvaluator);
  EXPECT_THAT(failure.message, HasSubstr("alone"));
}

// The progress of the first attempt is not part of the second one's curve.
TEST_F(MemoryRetryTest, TellsThatTheSecondTryBeginsAgainAndWantsTheMachine) {
  const auto slot = Slot({OutOfMemory, Good});
  std::vector<bool> told;
  slot->Evaluate(Evaluation{}, {}, [&](const Progress& progress) {
    told.push_back(progress.begins_again);
    told.push_back(progress.wants_machine);
  });
  EXPECT_THAT(told, ElementsAre(true, true));
}

TEST_F(MemoryRetryTest, WaitsForOthersAndKeepsNewOnesOut) {
  std::atomic<bool> began = false, may_end = false, failed = false;
  std::atomic<int> inside = 0;
  std::vector<std::string> order;  // One thread at a time writes it, which this test checks.
  const auto other = Slot({[&] {
                             ++inside;
                             began = true;
                             WaitFor(may_end);
                             order.emplace_back("other");
                             --inside;
                             return Good();
                           },
                           [&] {
                             order.emplace_back("late");
                             return Good();
                           }});
  const auto hungry = Slot({[&] {
                              failed = true;
                              return OutOfMemory();
                            },
                            [&] {
                              EXPECT_EQ(inside, 0);
                              order.emplace_back("alone");
                              return Good();
                            }});
  std::thread first([&] {
    Evaluate(*other);
    Evaluate(*other);
  });
  WaitFor(began);
  std::thread second([&] { EXPECT_TRUE(std::holds_alternative<EvaluationResult>(Evaluate(*hungry))); });
  WaitFor(failed);
  // It waits already, or will wait before the other one starts again, because that one must end
  // first.
  while (!machine_->IsWanted()) std::this_thread::yield();
  may_end = true;
  first.join();
  second.join();
  EXPECT_THAT(order, ElementsAre("other", "alone", "late"));
}

TEST_F(MemoryRetryTest, AStopEndsTheWait) {
  ASSERT_TRUE(machine_->Enter(SharedMachine::Company::kOthers, {}));
  const auto slot = Slot({OutOfMemory, Good, Good});
  std::stop_source stop;
  std::thread thread(
      [&] { EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(Evaluate(*slot, stop.get_token()))); });
  while (!machine_->IsWanted()) std::this_thread::yield();
  stop.request_stop();
  thread.join();
  // Nobody waits to be alone any more.
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(Evaluate(*slot)));
  machine_->Leave(SharedMachine::Company::kOthers);
}

// Otherwise it would not have the machine to itself: the processes of all slots, including its own,
// would keep their memory.
TEST_F(MemoryRetryTest, EndsWhatAllKeepBeforeTheSecondTry) {
  auto owned = std::make_unique<ScriptedEvaluator>(std::deque<ScriptedEvaluator::Step>{Good, Good});
  const ScriptedEvaluator& idle = *owned;
  const auto other = std::make_unique<MemoryRetryEvaluator>(std::move(owned), machine_);
  auto gone = Slot({});
  gone.reset();
  const ScriptedEvaluator* own = nullptr;
  owned = std::make_unique<ScriptedEvaluator>(
      std::deque<ScriptedEvaluator::Step>{[&] {
                                            EXPECT_EQ(idle.asked + own->asked, 0);
                                            return OutOfMemory();
                                          },
                                          [&] {
                                            for (const ScriptedEvaluator* one : {&idle, own}) {
                                              EXPECT_EQ(one->asked, 1);
                                              EXPECT_EQ(one->ended, 1);
                                            }
                                            return Good();
                                          }});
  own = owned.get();
  const auto hungry = std::make_unique<MemoryRetryEvaluator>(std::move(owned), machine_);
  Evaluate(*other);
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(Evaluate(*hungry)));
  Evaluate(*other);
  EXPECT_EQ(idle.ended, 1);
}

}  // namespace
}  // namespace layernas
