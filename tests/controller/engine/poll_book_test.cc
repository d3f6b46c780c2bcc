#include "controller/engine/poll_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "tests/controller/support/fake_clock.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Labels = std::map<std::string, std::string>;

Poll MakePoll(PollId id, const std::string& worker, const Labels& labels = {}, int deadline = 1000, int tasks = 1) {
  Poll poll;
  poll.id = id;
  poll.request.worker.id = worker;
  poll.request.worker.labels = labels;
  poll.request.request_id = worker + "-request-" + std::to_string(id);
  poll.request.deadline = At(deadline);
  poll.request.max_tasks = tasks;
  return poll;
}

PollId Oldest(PollBook& book, PollId after, const Labels& requirements) {
  const Poll* poll = book.OldestAfter(after, requirements);
  return poll == nullptr ? 0 : poll->id;
}

TEST(PollBook, FindsTheOldestThatMeetsTheRequirements) {
  PollBook book;
  const Labels gpu = {{"device", "gpu"}};
  book.Park(MakePoll(1, "a", {{"device", "cpu"}}));
  book.Park(MakePoll(2, "b", {{"device", "gpu"}, {"memory", "80"}}));
  EXPECT_EQ(Oldest(book, 0, gpu), 2u);
  EXPECT_EQ(Oldest(book, 0, {}), 1u);
  EXPECT_EQ(Oldest(book, 0, {{"device", "tpu"}}), 0u);
  // Later polls are found too, by earlier requirements.
  book.Park(MakePoll(3, "c", gpu));
  EXPECT_EQ(Oldest(book, 2, gpu), 3u);
  EXPECT_EQ(Oldest(book, 3, gpu), 0u);
  book.Take(2);
  EXPECT_EQ(Oldest(book, 0, gpu), 3u);
  EXPECT_EQ(Oldest(book, 1, {}), 3u);
}

TEST(PollBook, TakesOutWhatEnds) {
  PollBook book;
  book.Park(MakePoll(1, "a", {}, 30));
  book.Park(MakePoll(2, "a", {}, 10, 4));
  book.Park(MakePoll(3, "b", {}, 20));
  EXPECT_EQ(book.size(), 3u);
  EXPECT_THAT(book.Expired(At(9)), IsEmpty());
  EXPECT_THAT(book.Expired(At(20)), ElementsAre(2, 3));
  EXPECT_EQ(book.Find("a", "a-request-2"), 2u);
  EXPECT_EQ(book.Find("b", "a-request-2"), 0u);
  EXPECT_EQ(book.Find("c", "a-request-2"), 0u);
  const std::optional<Poll> taken = book.Take(2);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->request.request_id, "a-request-2");
  EXPECT_FALSE(book.Take(2));
  EXPECT_THAT(book.Expired(At(20)), ElementsAre(3));
  EXPECT_EQ(book.Find("a", "a-request-2"), 0u);
  EXPECT_TRUE(book.Waits("a"));
  book.Take(1);
  EXPECT_FALSE(book.Waits("a"));
}

TEST(PollBook, IsCleared) {
  PollBook book;
  for (const PollId id : {3, 1, 2}) book.Park(MakePoll(id, "a"));
  EXPECT_EQ(Oldest(book, 0, {}), 1u);
  std::vector<PollId> ids;
  for (const Poll& poll : book.Clear()) ids.push_back(poll.id);
  EXPECT_THAT(ids, ElementsAre(1, 2, 3));
  EXPECT_TRUE(book.empty());
  EXPECT_EQ(Oldest(book, 0, {}), 0u);
  EXPECT_THAT(book.Expired(At(5000)), IsEmpty());
}

// Compares the book with checking each poll.
TEST(PollBook, AgreesWithALookAtEach) {
  RandomStream random({3});
  const std::vector<Labels> labels = {
      {}, {{"a", "1"}}, {{"a", "2"}}, {{"b", "1"}}, {{"a", "1"}, {"b", "1"}}, {{"a", "2"}, {"b", "1"}}};
  PollBook book;
  std::map<PollId, Poll> all;
  PollId next = 1;
  for (int step = 0; step < 5'000; ++step) {
    if (all.empty() || random.Below(2) == 0) {
      const Poll poll = MakePoll(next++, "w" + std::to_string(random.Below(20)), labels[random.Below(labels.size())],
                                 static_cast<int>(random.Below(1000)));
      all.emplace(poll.id, poll);
      book.Park(poll);
    } else {
      const PollId id = 1 + random.Below(next);
      ASSERT_EQ(book.Take(id).has_value(), all.erase(id) == 1);
    }
    const Labels& requirements = labels[random.Below(labels.size())];
    const PollId after = random.Below(next);
    PollId expected = 0;
    for (const auto& [id, poll] : all) {
      if (id <= after || !Meets(poll.request.worker, requirements)) continue;
      expected = id;
      break;
    }
    ASSERT_EQ(Oldest(book, after, requirements), expected);
    const SteadyTime now = At(static_cast<int>(random.Below(1000)));
    std::set<PollId> expired;
    for (const auto& [id, poll] : all) {
      if (poll.request.deadline <= now) expired.insert(id);
    }
    const std::vector<PollId> found = book.Expired(now);
    ASSERT_EQ(std::set<PollId>(found.begin(), found.end()), expired);
  }
}

TEST(PollBook, WhoIsHeldBackIsPassedOverUntilLetIn) {
  PollBook book;
  book.Park(MakePoll(1, "a", {}, 1000, 2));
  book.Park(MakePoll(2, "b", {}, 1000, 3));
  book.HoldBack("a");
  book.HoldBack("a");
  EXPECT_EQ(Oldest(book, 0, {}), 2u);
  // Later polls count too, and stay in the book.
  book.Park(MakePoll(3, "a", {}, 1000, 4));
  EXPECT_EQ(book.size(), 3u);
  EXPECT_TRUE(book.Waits("a"));
  EXPECT_EQ(book.Find("a", "a-request-3"), 3u);
  book.LetIn("a");
  book.LetIn("a");
  EXPECT_EQ(Oldest(book, 0, {}), 1u);
  book.LetIn("nobody");
  book.HoldBack("b");
  EXPECT_TRUE(book.Take(2));
}

// Compares the counts with a recount.
TEST(PollBook, KnowsHowManyTasksAreWanted) {
  RandomStream random({4});
  const std::vector<Labels> labels = {
      {}, {{"a", "1"}}, {{"a", "2"}}, {{"b", "1"}}, {{"a", "1"}, {"b", "1"}}, {{"a", "2"}, {"b", "1"}}};
  const auto any_worker = [&random] { return "w" + std::to_string(random.Below(8)); };
  PollBook book;
  std::map<PollId, Poll> all;
  std::set<std::string> held_back;
  PollId next = 1;
  for (int step = 0; step < 10'000; ++step) {
    switch (random.Below(8)) {
      case 0: {
        const std::string worker = any_worker();
        held_back.insert(worker);
        book.HoldBack(worker);
        break;
      }
      case 1: {
        const std::string worker = any_worker();
        held_back.erase(worker);
        book.LetIn(worker);
        break;
      }
      case 2:
      case 3:
      case 4: {
        const PollId id = 1 + random.Below(next);
        ASSERT_EQ(book.Take(id).has_value(), all.erase(id) == 1);
        break;
      }
      default: {
        const Poll poll = MakePoll(next++, any_worker(), labels[random.Below(labels.size())], 1000,
                                   1 + static_cast<int>(random.Below(9)));
        all.emplace(poll.id, poll);
        book.Park(poll);
      }
    }
    const Labels& requirements = labels[random.Below(labels.size())];
    PollId oldest = 0;
    for (const auto& [id, poll] : all) {
      if (held_back.contains(poll.request.worker.id) || !Meets(poll.request.worker, requirements)) continue;
      oldest = id;
      break;
    }
    ASSERT_EQ(Oldest(book, 0, requirements), oldest);
    ASSERT_EQ(book.size(), all.size());
  }
}

}  // namespace
}  // namespace layernas
