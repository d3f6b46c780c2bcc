#include "controller/core/candidate_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>

#include "common/base/random.h"
#include "tests/controller/support/cpu_time.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr TaskKind kEvaluate = TaskKind::kEvaluate;
constexpr Others kSome = Others::kSome;
constexpr Others kNone = Others::kNone;
constexpr Millis kElsewhere = CandidateQueue::kElsewhereFirst;

SteadyTime At(Millis time) { return SteadyTime(Millis{1'000'000} + time); }
SteadyTime At(int ms) { return At(Millis{ms}); }

CandidateQueue::Entry Entry(std::uint64_t number, SteadyTime not_before = {}, const std::string& avoid = "",
                            bool is_last = false, TaskKind kind = kEvaluate) {
  return {number, kind, not_before, avoid, is_last};
}

TEST(CandidateQueue, IsFirstInFirstOut) {
  CandidateQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(0)), std::nullopt);
  for (const std::uint64_t number : {5, 3, 9}) queue.Push(Entry(number));
  EXPECT_THAT(queue.Numbers(), ElementsAre(5, 3, 9));
  // It stays in the queue.
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(0)), 5u);
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(0)), 5u);
  queue.Remove(5);
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(0)), 3u);
  // It goes to the end.
  queue.Push(Entry(5));
  queue.Remove(3);
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(0)), 9u);
  EXPECT_THAT(queue.Numbers(), ElementsAre(9, 5));
  queue.Remove(77);
  EXPECT_EQ(queue.size(), 2u);
}

TEST(CandidateQueue, KeepsKindsApart) {
  CandidateQueue queue;
  queue.Push(Entry(1, {}, "", false, TaskKind::kMeasure));
  queue.Push(Entry(2, {}, "", false, TaskKind::kTrain));
  queue.Push(Entry(3, {}, "w", true, TaskKind::kTrain));
  EXPECT_EQ(queue.Find(TaskKind::kTrain, "v", kSome, At(0)), 2u);
  EXPECT_EQ(queue.Find(TaskKind::kMeasure, "v", kSome, At(0)), 1u);
  EXPECT_EQ(queue.Find(kEvaluate, "v", kSome, At(0)), std::nullopt);
  EXPECT_EQ(queue.size(TaskKind::kTrain), 2u);
  EXPECT_EQ(queue.size(TaskKind::kMeasure), 1u);
  EXPECT_EQ(queue.size(kEvaluate), 0u);
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_TRUE(queue.HoldsBack(TaskKind::kTrain, "w", kSome, At(0)));
  EXPECT_FALSE(queue.HoldsBack(TaskKind::kMeasure, "w", kSome, At(0)));
  queue.Remove(2);
  EXPECT_EQ(queue.size(TaskKind::kTrain), 1u);
}

TEST(CandidateQueue, ABackOffHoldsForEverybody) {
  CandidateQueue queue;
  queue.Push(Entry(1, At(100)));
  queue.Push(Entry(2));
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(0)), 2u);
  queue.Remove(2);
  EXPECT_EQ(queue.Find(kEvaluate, "w", kNone, At(99)), std::nullopt);
  EXPECT_FALSE(queue.HoldsBack(kEvaluate, "w", kSome, At(99)));
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(100)), 1u);
  // Its place is determined by its Push().
  queue.Push(Entry(3));
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(100)), 1u);
}

TEST(CandidateQueue, AvoidsAWorkerForFiveSecondsAfterTheBackOff) {
  CandidateQueue queue;
  EXPECT_EQ(kElsewhere, Millis{5'000});
  queue.Push(Entry(1, At(100), "bad"));
  EXPECT_FALSE(queue.HoldsBack(kEvaluate, "bad", kSome, At(99)));
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kSome, At(100)), std::nullopt);
  EXPECT_TRUE(queue.HoldsBack(kEvaluate, "bad", kSome, At(100)));
  EXPECT_FALSE(queue.HoldsBack(kEvaluate, "good", kSome, At(100)));
  EXPECT_EQ(queue.Find(kEvaluate, "good", kSome, At(100)), 1u);
  // There is nobody to wait for.
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kNone, At(100)), 1u);
  EXPECT_FALSE(queue.HoldsBack(kEvaluate, "bad", kNone, At(100)));
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kSome, At(5'099)), std::nullopt);
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kSome, At(5'100)), 1u);
  EXPECT_FALSE(queue.HoldsBack(kEvaluate, "bad", kSome, At(5'100)));
}

TEST(CandidateQueue, BackOffAndAvoidanceMayEndUnobserved) {
  CandidateQueue queue;
  queue.Push(Entry(1, At(100), "bad"));
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kSome, At(5'100)), 1u);
}

TEST(CandidateQueue, TheLastAttemptIsKeptForOthersForLong) {
  CandidateQueue queue;
  queue.Push(Entry(1, At(100), "bad", true));
  queue.Push(Entry(2, At(100), "bad", true));
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kSome, At(600'099)), std::nullopt);
  EXPECT_TRUE(queue.HoldsBack(kEvaluate, "bad", kSome, At(600'099)));
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kNone, At(600'099)), 1u);
  EXPECT_EQ(queue.Find(kEvaluate, "good", kSome, At(600'099)), 1u);
  // Others may be busy with something else for hours.
  EXPECT_EQ(queue.Find(kEvaluate, "bad", kSome, At(600'100)), 1u);
}

TEST(CandidateQueue, AWorkerWithoutANameIsNotAvoided) {
  CandidateQueue queue;
  queue.Push(Entry(1));
  EXPECT_EQ(queue.Find(kEvaluate, "", kSome, At(0)), 1u);
  EXPECT_FALSE(queue.HoldsBack(kEvaluate, "", kSome, At(0)));
}

TEST(CandidateQueue, IsCleared) {
  CandidateQueue queue;
  queue.Push(Entry(1));
  queue.Push(Entry(2, At(100), "bad"));
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(0)), 1u);
  queue.Clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(kEvaluate), 0u);
  EXPECT_THAT(queue.Numbers(), IsEmpty());
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(1'000'000)), std::nullopt);
  queue.Push(Entry(2));
  EXPECT_EQ(queue.Find(kEvaluate, "w", kSome, At(1'000'000)), 2u);
}

// As when a worker dies with everything that it held. Quadratic work would take a hundred times as
// long for ten times as many entries.
TEST(CandidateQueue, AHundredThousandEntriesMayEndTheirAvoidanceAtOnce) {
  const auto empty = [](std::uint64_t entries) {
    CandidateQueue queue;
    for (std::uint64_t i = 1; i <= entries; ++i) queue.Push(Entry(i, At(0), "bad"));
    for (std::uint64_t i = 1; i <= entries; ++i) {
      // All remaining entries avoid this worker.
      ASSERT_EQ(queue.Find(kEvaluate, "bad", kSome, At(4'999)), std::nullopt);
      ASSERT_TRUE(queue.HoldsBack(kEvaluate, "bad", kSome, At(4'999)));
      // Another worker takes some of them before any worker may get the others.
      if (i % 10 == 0) {
        ASSERT_EQ(queue.Find(kEvaluate, "good", kSome, At(4'999)), i / 10);
        queue.Remove(i / 10);
      }
    }
    for (std::uint64_t i = entries / 10 + 1; i <= entries; ++i) {
      ASSERT_EQ(queue.Find(kEvaluate, "bad", kSome, At(5'000)), i);
      queue.Remove(i);
    }
    ASSERT_TRUE(queue.empty());
  };
  const double few = CpuSecondsOf([&] { empty(10'000); });
  const double many = CpuSecondsOf([&] { empty(100'000); });
  EXPECT_LT(many, 30 * few + 0.05);
}

// Implements the header's description by checking each entry.
class NaiveQueue {
 public:
  void Push(const CandidateQueue::Entry& entry) { entries_.push_back(entry); }
  void Remove(std::uint64_t number) {
    entries_.remove_if([number](const auto& entry) { return entry.number == number; });
  }
  std::optional<std::uint64_t> Find(TaskKind kind, const std::string& worker, Others others, SteadyTime now) const {
    for (const auto& entry : entries_) {
      if (MayGo(entry, kind, now) && !IsAvoided(entry, worker, others, now)) return entry.number;
    }
    return std::nullopt;
  }
  bool HoldsBack(TaskKind kind, const std::string& worker, Others others, SteadyTime now) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
      return MayGo(entry, kind, now) && IsAvoided(entry, worker, others, now);
    });
  }
  std::vector<std::uint64_t> Numbers() const {
    std::vector<std::uint64_t> numbers;
    for (const auto& entry : entries_) numbers.push_back(entry.number);
    return numbers;
  }
  std::size_t size(TaskKind kind) const {
    return std::count_if(entries_.begin(), entries_.end(), [kind](const auto& entry) { return entry.kind == kind; });
  }

 private:
  static bool MayGo(const CandidateQueue::Entry& entry, TaskKind kind, SteadyTime now) {
    return entry.kind == kind && entry.not_before <= now;
  }
  static bool IsAvoided(const CandidateQueue::Entry& entry, const std::string& worker, Others others, SteadyTime now) {
    return others == kSome && !worker.empty() && entry.avoid == worker &&
           now < entry.not_before + (entry.is_last ? CandidateQueue::kElsewhereLast : kElsewhere);
  }

  std::list<CandidateQueue::Entry> entries_;
};

TEST(CandidateQueue, AgreesWithALookAtEachEntry) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random({seed});
    CandidateQueue queue;
    NaiveQueue naive;
    Millis now{0};
    std::uint64_t next = 1;
    const auto any_worker = [&random] {
      const std::uint64_t worker = random.Below(5);
      return worker == 0 ? "" : "w" + std::to_string(worker);
    };
    const auto any_kind = [&random] { return static_cast<TaskKind>(random.Below(3)); };
    for (int step = 0; step < 3'000; ++step) {
      const std::vector<std::uint64_t> numbers = naive.Numbers();
      if (random.Below(3) == 0) now += Millis{random.Below(1500)};
      if (numbers.size() < 5 || random.Below(2) == 0) {
        const std::uint64_t number = next++;
        const SteadyTime not_before = random.Below(3) == 0 ? SteadyTime{} : At(now + Millis{random.Below(4'000)});
        const CandidateQueue::Entry entry = Entry(number, not_before, any_worker(), random.Below(4) == 0, any_kind());
        queue.Push(entry);
        // An entry without its own time, as after a restart, counts from the first check.
        naive.Push(
            Entry(number, not_before == SteadyTime{} ? At(now) : not_before, entry.avoid, entry.is_last, entry.kind));
      } else {
        const std::uint64_t number = numbers[random.Below(numbers.size())];
        queue.Remove(number);
        naive.Remove(number);
        if (random.Below(3) == 0) {
          const CandidateQueue::Entry again = Entry(number, At(now + Millis{500}), any_worker());
          queue.Push(again);
          naive.Push(again);
        }
      }
      const TaskKind kind = any_kind();
      const std::string worker = any_worker();
      const Others others = random.Below(3) == 0 ? kNone : kSome;
      const auto found = naive.Find(kind, worker, others, At(now));
      ASSERT_EQ(queue.Find(kind, worker, others, At(now)), found);
      if (!found) {
        ASSERT_EQ(queue.HoldsBack(kind, worker, others, At(now)), naive.HoldsBack(kind, worker, others, At(now)));
      }
      ASSERT_EQ(queue.size(kind), naive.size(kind));
      if (step % 50 == 0) {
        ASSERT_EQ(queue.Numbers(), naive.Numbers());
      }
    }
  }
}

}  // namespace
}  // namespace layernas::core
