#include "controller/core/candidate_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"

namespace layernas::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kQueued = CandidateState::kQueued;
constexpr auto kLeased = CandidateState::kLeased;
constexpr auto kSucceeded = CandidateState::kSucceeded;

TEST(CandidateBook, NumbersCandidatesFromOneWithoutGaps) {
  CandidateBook book(2, false);
  EXPECT_EQ(book.size(), 0u);
  EXPECT_EQ(book.Find(0), nullptr);
  EXPECT_EQ(book.Find(1), nullptr);
  Candidate& first = book.Create({0, 1}, {1, 2}, 77);
  for (OptionIndex i = 0; i < 1000; ++i) book.Create({1, i}, {}, 78);
  EXPECT_EQ(book.size(), 1001u);
  // Its address stays the same.
  EXPECT_EQ(book.Find(1), &first);
  EXPECT_EQ(first.number, 1u);
  EXPECT_EQ(first.architecture, (Architecture{0, 1}));
  EXPECT_EQ(first.position, (Position{1, 2}));
  EXPECT_EQ(first.created, 77);
  EXPECT_EQ(first.state, kQueued);
  EXPECT_EQ(book[1001].number, 1001u);
  EXPECT_EQ(&book[1001], book.Find(1001));
  EXPECT_EQ(book.Find(1002), nullptr);
  EXPECT_EQ(book.CountOf(kQueued), 1001u);
}

TEST(CandidateBook, CountsStates) {
  CandidateBook book(1, false);
  Candidate& one = book.Create({0}, {}, 1);
  Candidate& two = book.Create({1}, {}, 1);
  book.SetState(one, kLeased);
  book.SetState(two, kLeased);
  EXPECT_EQ(book.CountOf(kQueued), 0u);
  EXPECT_EQ(book.Leased(), 2u);
  EXPECT_EQ(book.Leased(TaskKind::kEvaluate), 2u);
  EXPECT_EQ(book.Leased(TaskKind::kTrain), 0u);
  EXPECT_EQ(book.Leased(TaskKind::kMeasure), 0u);
  one.request_id = two.request_id = "r";
  book.SetState(one, kSucceeded);
  book.SetState(two, kQueued);
  EXPECT_EQ(book.Leased(), 0u);
  EXPECT_EQ(book.CountOf(kSucceeded), 1u);
  EXPECT_EQ(book.CountOf(kQueued), 1u);
  // No lease needs the request id of a candidate in a final state.
  EXPECT_EQ(one.request_id, "");
  EXPECT_EQ(two.request_id, "r");
}

TEST(CandidateBook, KnowsWhatIsMeasuredAndWhatIsTrained) {
  CandidateBook book(1, true);
  Candidate& one = book.Create({0}, {}, 1);
  Candidate& two = book.Create({1}, {}, 1);
  EXPECT_EQ(book.KindOf(one), TaskKind::kMeasure);
  book.SetState(one, kLeased);
  book.SetState(two, kLeased);
  EXPECT_EQ(book.Leased(TaskKind::kMeasure), 2u);
  EXPECT_EQ(book.Leased(TaskKind::kTrain), 0u);
  EXPECT_EQ(book.Leased(TaskKind::kEvaluate), 0u);
  book.SetState(one, kQueued);
  one.measured_attempt = 1;
  EXPECT_EQ(book.KindOf(one), TaskKind::kTrain);
  book.SetState(one, kLeased);
  EXPECT_EQ(book.Leased(TaskKind::kMeasure), 1u);
  EXPECT_EQ(book.Leased(TaskKind::kTrain), 1u);
  book.SetState(one, kSucceeded);
  EXPECT_EQ(book.Leased(TaskKind::kMeasure), 1u);
  EXPECT_EQ(book.Leased(TaskKind::kTrain), 0u);
}

TEST(CandidateBook, FindsTheFirstOfAnArchitecture) {
  CandidateBook book(2, false);
  book.Create({0, 0}, {}, 1);
  book.Create({0, 1}, {}, 1);
  Candidate& repeat = book.Create({0, 0}, {}, 1);
  repeat.repeat_of = 1;
  Candidate& final_one = book.Create({0, 1}, {}, 1);
  final_one.final_of = 2;
  EXPECT_EQ(book.NumberOf({0, 0}), 1u);
  EXPECT_EQ(book.NumberOf({0, 1}), 2u);
  EXPECT_EQ(book.NumberOf({1, 1}), 0u);
}

TEST(CandidateBook, TellsWhatIsToBeWrittenOnceInTheOrderOfChange) {
  CandidateBook book(1, false);
  for (OptionIndex i = 0; i < 3; ++i) book.Create({i}, {}, 1);
  EXPECT_THAT(book.TakeDirty(), IsEmpty());
  book.SetState(book[3], kLeased);
  book.SetState(book[1], kLeased);
  book.SetState(book[3], kSucceeded);
  book.MarkDirty(book[1]);
  EXPECT_THAT(book.TakeDirty(), ElementsAre(3, 1));
  EXPECT_THAT(book.TakeDirty(), IsEmpty());
  book.MarkDirty(book[1]);
  EXPECT_THAT(book.TakeDirty(), ElementsAre(1));
}

// Compares the counts after a restart with a recount.
TEST(CandidateBook, CountsWhatIsStored) {
  RandomStream random({1});
  for (const bool measured_apart : {false, true}) {
    CandidateBook book(1, measured_apart);
    for (int step = 0; step < 2000; ++step) {
      if (book.size() == 0 || random.Below(4) == 0) {
        book.Create({static_cast<OptionIndex>(book.size())}, {}, step);
        continue;
      }
      Candidate& one = book[1 + random.Below(book.size())];
      if (IsFinal(one.state)) continue;
      book.SetState(one, static_cast<CandidateState>(1 + random.Below(7)));
      if (measured_apart && one.state == kQueued) one.measured_attempt = 1;
    }
    const CandidateBook restored(1, measured_apart, book.all());
    for (int state = 1; state <= 7; ++state) {
      const auto one = static_cast<CandidateState>(state);
      const auto count = std::count_if(book.all().begin(), book.all().end(),
                                       [one](const Candidate& candidate) { return candidate.state == one; });
      EXPECT_EQ(book.CountOf(one), static_cast<std::size_t>(count));
      EXPECT_EQ(restored.CountOf(one), static_cast<std::size_t>(count));
    }
    for (const TaskKind kind : {TaskKind::kEvaluate, TaskKind::kMeasure, TaskKind::kTrain}) {
      const auto count = std::count_if(book.all().begin(), book.all().end(), [&](const Candidate& candidate) {
        return candidate.state == kLeased && book.KindOf(candidate) == kind;
      });
      EXPECT_EQ(book.Leased(kind), static_cast<std::size_t>(count));
      EXPECT_EQ(restored.Leased(kind), static_cast<std::size_t>(count));
    }
    EXPECT_EQ(restored.NumberOf({5}), 6u);
    EXPECT_EQ(restored.size(), book.size());
  }
}

}  // namespace
}  // namespace layernas::core
