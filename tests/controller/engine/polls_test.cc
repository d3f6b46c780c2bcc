// Tests polls: how long they wait for work, who is served first, and what a repeated request gets.
#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using core::CandidateState;

using PollsTest = EngineTest;

TEST_F(PollsTest, APollWaitsForWork) {
  const Awaited<Tasks> parked = Park("w");
  EXPECT_FALSE(parked.Answered());
  Create(RandomSpec("s", 5));
  EXPECT_THAT(Tokens(*parked.Get()), ElementsAre(Token(1, 1, 1)));
}

TEST_F(PollsTest, APollIsAnsweredEmptyAtItsDeadline) {
  const Awaited<Tasks> parked = Park(Request("w", 1, Millis{1000}));
  Pass(Millis{999});
  EXPECT_FALSE(parked.Answered());
  Pass(Millis{1});
  ASSERT_TRUE(parked.Answered());
  EXPECT_THAT(*parked.Get(), IsEmpty());
  // It leaves nothing behind that could take work away.
  const std::string name = Create(RandomSpec("s", 5));
  Settle();
  EXPECT_EQ(Get(name)->trainings, 0);
}

TEST_F(PollsTest, ACancelledPollTakesNoWork) {
  Engine::PollId poll = 0;
  const Awaited<Tasks> parked = Park(Request("w", 1, Millis{60'000}), &poll);
  engine_->CancelPoll(poll);
  EXPECT_EQ(parked.Get().status().code(), absl::StatusCode::kCancelled);
  const std::string name = Create(RandomSpec("s", 5));
  Settle();
  EXPECT_EQ(Get(name)->trainings, 0);
  // Cancelling too late, or cancelling an unknown poll, does no harm.
  engine_->CancelPoll(poll);
  engine_->CancelPoll(12345);
  EXPECT_EQ(Lease("w").size(), 1u);
}

TEST_F(PollsTest, PollsAreServedInTheirOrder) {
  const Awaited<Tasks> first = Park("a");
  const Awaited<Tasks> second = Park("b");
  Create(RandomSpec("s", 1));
  EXPECT_EQ(first.Get()->size(), 1u);
  Settle();
  EXPECT_FALSE(second.Answered());
}

TEST_F(PollsTest, ARepeatedRequestGetsTheSameTasks) {
  const std::string name = Create(RandomSpec("s", 10));
  const LeaseRequest request = Request("w", 3);
  const Tasks first = *Lease(request);
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(Tokens(*Lease(request)), Tokens(first));
  EXPECT_EQ((*Lease(request))[1].seed, first[1].seed);
  EXPECT_EQ(Get(name)->trainings, 3);
  // The same request id from another worker is another request.
  LeaseRequest other = request;
  other.worker.id = "v";
  EXPECT_THAT(Tokens(*Lease(other)), ElementsAre(Token(1, 4, 1), Token(1, 5, 1), Token(1, 6, 1)));
  // This also holds after a restart. A candidate with a result is not given out again.
  Restart();
  EXPECT_EQ(Tokens(*Lease(request)), Tokens(first));
  Complete("w", first[1]);
  EXPECT_THAT(Tokens(*Lease(request)), ElementsAre(first[0].token, first[2].token));
}

TEST_F(PollsTest, ARepeatedRequestRenewsItsLeases) {
  const std::string name = Create(RandomSpec("s", 10));
  const LeaseRequest request = Request("w");
  ASSERT_EQ(Lease(request)->size(), 1u);
  Pass(kLease - Millis{1});
  ASSERT_EQ(Lease(request)->size(), 1u);
  Pass(kLease - Millis{1});
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kLeased);
}

TEST_F(PollsTest, ARepeatedRequestTakesThePlaceOfTheParkedOne) {
  const LeaseRequest request = Request("w", 1, Millis{60'000});
  const Awaited<Tasks> first = Park(request);
  const Awaited<Tasks> second = Park(request);
  EXPECT_EQ(first.Get().status().code(), absl::StatusCode::kAborted);
  Create(RandomSpec("s", 5));
  EXPECT_EQ(second.Get()->size(), 1u);
}

TEST_F(PollsTest, WhatEndsInTheSameTurnIsNotGivenAgain) {
  Create(RandomSpec("s", 100));
  for (int i = 0; i < 20; ++i) {
    const LeaseRequest request = Request("w");
    const LeasedTask task = Lease(request)->at(0);
    const Awaited<Verdicts> completed;
    const Awaited<Tasks> again;
    engine_->CompleteTasks("w", {{FormatLeaseToken(task.token), Evaluate(task.architecture), {}, ""}},
                           completed.reply());
    engine_->LeaseTasks(request, again.reply());
    const absl::StatusOr<Tasks> tasks = again.Get();
    ASSERT_TRUE(tasks.ok()) << tasks.status();
    for (const LeasedTask& one : *tasks) {
      EXPECT_NE(one.token.number, task.token.number);
      Release("w", one.token);
    }
  }
}

TEST_F(PollsTest, AParkedPollThatDoesNotFitHoldsNobodyUp) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  (*spec.mutable_evaluation()->mutable_require())["device"] = "gpu";
  const Awaited<Tasks> parked = Park("plain");
  Create(spec);
  LeaseRequest right = Request("right");
  right.worker.labels = {{"device", "gpu"}};
  EXPECT_EQ(Lease(right)->size(), 1u);
  EXPECT_FALSE(parked.Answered());
}

}  // namespace
}  // namespace layernas
