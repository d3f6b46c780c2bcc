#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using core::CandidateState;
using core::SearchState;

std::vector<std::string> Names(const Page<SearchView>& page) {
  std::vector<std::string> names;
  for (const SearchView& view : page.items) names.push_back(view.name);
  return names;
}

std::vector<std::uint64_t> Numbers(const std::vector<core::Candidate>& candidates) {
  std::vector<std::uint64_t> numbers;
  for (const core::Candidate& candidate : candidates) numbers.push_back(candidate.number);
  return numbers;
}

class SearchesTest : public EngineTest {
 protected:
  absl::StatusOr<Page<SearchView>> List(std::uint64_t before, std::size_t limit) {
    return Await<Page<SearchView>>([&](auto reply) { engine_->ListSearches(before, limit, reply); });
  }
  absl::StatusOr<BucketsView> Buckets(const std::string& name, core::Position position) {
    return Await<BucketsView>([&](auto reply) { engine_->GetBuckets(name, position, reply); });
  }
  absl::StatusOr<FrontierView> Frontier(const std::string& name, double above = -1, std::size_t limit = kAll) {
    return Await<FrontierView>([&](auto reply) { engine_->GetFrontier(name, above, limit, reply); });
  }
};

TEST_F(SearchesTest, ANewSearchIsShownAsItStands) {
  const auto view = TryCreate(LayerNasSpec("first"));
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->name, "searches/first-1");
  EXPECT_EQ(*view->spec, LayerNasSpec("first").SerializeAsString());
  EXPECT_EQ(view->state, SearchState::kRunning);
  EXPECT_EQ(view->created, FakeClock::kStart);
  EXPECT_EQ(view->ended, 0);
  EXPECT_EQ(view->stage_count, 3);
  EXPECT_EQ(view->ready, 1u);
  EXPECT_EQ(view->trainings, 0);
  // Creation is the first change.
  EXPECT_EQ(view->sequence, 1u);
  EXPECT_THAT(view->waiting_for, HasSubstr("none is connected"));
  EXPECT_EQ(Get(view->name)->sequence, 1u);
}

TEST_F(SearchesTest, NamesThatAreNone) {
  Create(RandomSpec("first", 3));
  EXPECT_EQ(Get("first").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Get("searches/first-2").status().code(), absl::StatusCode::kNotFound);
  // The number alone is not enough, because it might belong to another controller's search.
  EXPECT_EQ(Get("searches/second-1").status().code(), absl::StatusCode::kNotFound);
  for (const auto& status :
       {Pause("searches/no-7").status(), Resume("searches/no-7").status(), Cancel("searches/no-7").status(),
        Delete("searches/no-7").status(), ListCandidates("searches/no-7").status(), Frontier("searches/no-7").status(),
        Buckets("searches/no-7", {}).status(), ReadChanges("searches/no-7", 0).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  }
}

TEST_F(SearchesTest, TheSameRequestMakesOneSearch) {
  const auto first = TryCreate(RandomSpec("a", 3), "request 1");
  const auto again = TryCreate(RandomSpec("a", 3), "request 1");
  const auto other = TryCreate(RandomSpec("a", 3), "request 2");
  EXPECT_EQ(first->name, "searches/a-1");
  EXPECT_EQ(again->name, first->name);
  EXPECT_EQ(other->name, "searches/a-2");
  // Without a request id, no call counts as repeated.
  EXPECT_EQ(TryCreate(RandomSpec("a", 3))->name, "searches/a-3");
  EXPECT_EQ(TryCreate(RandomSpec("a", 3))->name, "searches/a-4");
  Restart();
  EXPECT_EQ(TryCreate(RandomSpec("a", 3), "request 1")->name, first->name);
  EXPECT_EQ(TryCreate(RandomSpec("a", 3), "request 2")->name, other->name);
  // After its deletion, the request may create a new search.
  ASSERT_TRUE(Cancel(first->name).ok());
  ASSERT_TRUE(Delete(first->name).ok());
  EXPECT_EQ(TryCreate(RandomSpec("a", 3), "request 1")->name, "searches/a-5");
}

TEST_F(SearchesTest, IdsAreNeverGivenTwice) {
  Create(RandomSpec("a", 3));
  Restart();
  const std::string second = Create(RandomSpec("a", 3));
  EXPECT_EQ(second, "searches/a-2");
  ASSERT_TRUE(Cancel(second).ok());
  ASSERT_TRUE(Delete(second).ok());
  EXPECT_EQ(Create(RandomSpec("a", 3)), "searches/a-3");
  ASSERT_TRUE(Cancel("searches/a-3").ok());
  ASSERT_TRUE(Delete("searches/a-3").ok());
  Restart();
  EXPECT_EQ(Create(RandomSpec("a", 3)), "searches/a-4");
  EXPECT_EQ(Get("searches/a-1")->state, SearchState::kRunning);
}

TEST_F(SearchesTest, AreListedNewestFirstPageByPage) {
  for (int i = 0; i < 5; ++i) Create(RandomSpec("s", 3));
  ASSERT_TRUE(Cancel("searches/s-4").ok());
  ASSERT_TRUE(Delete("searches/s-4").ok());
  const auto first = List(~0ull, 2);
  EXPECT_THAT(Names(*first), ElementsAre("searches/s-5", "searches/s-3"));
  ASSERT_TRUE(first->next);
  const auto second = List(*first->next, 2);
  EXPECT_THAT(Names(*second), ElementsAre("searches/s-2", "searches/s-1"));
  EXPECT_FALSE(second->next);
  EXPECT_THAT(Names(*List(1, 2)), IsEmpty());
  EXPECT_THAT(Names(*List(0, 2)), IsEmpty());
}

TEST_F(SearchesTest, APageOfLargeSearchesEndsEarly) {
  v1::SearchSpec large = RandomSpec("s", 3);
  (*large.mutable_evaluation()->mutable_train()->mutable_parameters()->mutable_fields())["note"].set_string_value(
      std::string(1'900'000, 'x'));
  for (int i = 0; i < 5; ++i) Create(large);
  const auto first = List(~0ull, 100);
  EXPECT_THAT(Names(*first), ElementsAre("searches/s-5", "searches/s-4", "searches/s-3"));
  ASSERT_TRUE(first->next);
  const auto second = List(*first->next, 100);
  EXPECT_THAT(Names(*second), ElementsAre("searches/s-2", "searches/s-1"));
  EXPECT_FALSE(second->next);
}

TEST_F(SearchesTest, APausedSearchHandsNothingOutButTakesResults) {
  const std::string name = Create(RandomSpec("s", 10));
  const LeasedTask task = LeaseOne("w");
  const auto paused = Pause(name);
  EXPECT_EQ(paused->state, SearchState::kPaused);
  EXPECT_EQ(paused->sequence, Get(name)->sequence);
  EXPECT_EQ(Pause(name).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Lease("w"), IsEmpty());
  EXPECT_EQ(Complete("w", task).status, core::CompletionVerdict::kAccepted);
  EXPECT_EQ(Get(name)->candidates.at(CandidateState::kSucceeded), 1u);

  const Awaited<Tasks> parked = Park("w");
  EXPECT_FALSE(parked.Answered());
  EXPECT_EQ(Resume(name)->state, SearchState::kRunning);
  EXPECT_EQ(parked.Get()->size(), 1u);
  EXPECT_EQ(Resume(name).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SearchesTest, CancellingEndsItForGood) {
  const std::string name = Create(RandomSpec("s", 10));
  const LeasedTask task = LeaseOne("w");
  EXPECT_EQ(Delete(name).status().code(), absl::StatusCode::kFailedPrecondition);
  clock_.Pass(Millis{5'000});
  const auto cancelled = Cancel(name);
  EXPECT_EQ(cancelled->state, SearchState::kCancelled);
  EXPECT_EQ(cancelled->ended, FakeClock::kStart + 5'000);
  EXPECT_EQ(Candidate(name, 1).state, CandidateState::kSkipped);
  EXPECT_EQ(Complete("w", task).status, core::CompletionVerdict::kRefused);
  EXPECT_THAT(Lease("w"), IsEmpty());
  for (const auto& status : {Cancel(name).status(), Pause(name).status(), Resume(name).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  }
  Restart();
  EXPECT_EQ(Get(name)->state, SearchState::kCancelled);
  EXPECT_EQ(Get(name)->ended, FakeClock::kStart + 5'000);
}

TEST_F(SearchesTest, DeletingRemovesAllOfIt) {
  const std::string first = Create(LayerNasSpec("a"));
  const std::string second = Create(LayerNasSpec("b"));
  Finish();
  const int tables = static_cast<int>(Check().tables);
  ASSERT_TRUE(Delete(first).ok());
  EXPECT_EQ(Get(first).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ListCandidates(first).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store_->ReadCandidates(1, 0, kAll)->candidates.empty());
  EXPECT_TRUE(store_->ReadChanges(1, 0, kAll)->empty());
  EXPECT_TRUE(store_->ReadBuckets(1)->empty());
  // Wait until files are no longer being removed.
  Restart();
  const CheckReport report = Check();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.searches, 1u);
  EXPECT_EQ(report.tables * 2, static_cast<std::size_t>(tables));
  EXPECT_EQ(Get(first).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get(second)->state, SearchState::kSucceeded);
}

TEST_F(SearchesTest, CancelAndDeleteTogetherLeaveNoSeries) {
  const std::string name = Create(RandomSpec("s", 3));
  Pass(Millis{1000});
  const Awaited<SearchView> cancelled;
  const Awaited<SearchView> deleted;
  engine_->CancelSearch(name, cancelled.reply());
  engine_->DeleteSearch(name, deleted.reply());
  EXPECT_TRUE(deleted.Get().ok());
  Pass(Millis{1000});
  for (const auto& family : metrics_->registry()->Collect()) {
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) EXPECT_NE(label.value, name) << family.name;
    }
  }
}

TEST_F(SearchesTest, CandidatesArePagedAndFiltered) {
  const std::string name = Create(RandomSpec("s", 20));
  for (const LeasedTask& task : Lease("w", 12)) {
    if (task.token.number % 3 == 0) Complete("w", task);
  }
  EXPECT_THAT(Numbers(ListCandidates(name, {CandidateState::kSucceeded})->page.items), ElementsAre(3, 6, 9, 12));
  const auto page = ListCandidates(name, {CandidateState::kSucceeded}, 3, 2);
  EXPECT_THAT(Numbers(page->page.items), ElementsAre(6, 9));
  EXPECT_EQ(page->page.next, 9u);
  const auto last = ListCandidates(name, {CandidateState::kSucceeded}, 9, 2);
  EXPECT_THAT(Numbers(last->page.items), ElementsAre(12));
  EXPECT_FALSE(last->page.next);
  const auto all = ListCandidates(name, {}, 0, 5);
  EXPECT_THAT(Numbers(all->page.items), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(all->page.next, 5u);
  EXPECT_FALSE(ListCandidates(name, {}, 0, 12)->page.next);
  EXPECT_THAT(ListCandidates(name, {}, ~0ull)->page.items, IsEmpty());
  EXPECT_THAT(ListCandidates(name, {CandidateState::kFailed})->page.items, IsEmpty());
}

TEST_F(SearchesTest, TheFrontierIsOfTheResults) {
  v1::SearchSpec spec = RandomSpec("s", 60);
  spec.mutable_objective()->add_targets(12);
  spec.mutable_objective()->add_targets(4.5);
  const std::string name = Create(spec);
  EXPECT_THAT(Frontier(name)->points, IsEmpty());
  Finish();
  const auto frontier = Frontier(name);
  ASSERT_FALSE(frontier->points.empty());
  const std::vector<core::Candidate> candidates = Candidates(name);
  double cost = 0;
  double reward = -1;
  for (const PointView& point : frontier->points) {
    EXPECT_GT(point.standing.cost, cost);
    EXPECT_GT(point.standing.reward, reward);
    cost = point.standing.cost;
    reward = point.standing.reward;
    for (const core::Candidate& other : candidates) {
      EXPECT_FALSE(other.cost <= point.standing.cost && other.reward > point.standing.reward) << other.number;
    }
  }
  ASSERT_EQ(frontier->search.targets.size(), 2u);
  ASSERT_TRUE(frontier->search.targets[0].best);
  EXPECT_LE(frontier->search.targets[0].best->standing.cost, 12);
}

TEST_F(SearchesTest, BucketsOfAnyStage) {
  const std::string random = Create(RandomSpec("r", 2));
  EXPECT_THAT(Buckets(random, {})->buckets, IsEmpty());
  ASSERT_TRUE(Cancel(random).ok());
  const std::string name = Create(LayerNasSpec("s"));
  EXPECT_THAT(Buckets(name, {})->buckets, IsEmpty());
  Finish();
  const auto last = Buckets(name, {});
  ASSERT_FALSE(last->buckets.empty());
  EXPECT_EQ(last->buckets[0].position, (core::Position{1, 3}));
  for (const BucketView& bucket : last->buckets) {
    for (const BucketView::Entry& entry : bucket.entries) {
      const core::Candidate candidate = Candidate(name, entry.candidate);
      EXPECT_EQ(candidate.architecture, entry.evaluated.architecture);
      EXPECT_EQ(candidate.reward, entry.evaluated.reward);
      EXPECT_GE(candidate.cost, bucket.lower);
      EXPECT_LT(candidate.cost, bucket.upper);
    }
  }
  // 0 is the latest that fits the other number.
  EXPECT_EQ(Buckets(name, {1, 0})->buckets[0].position, (core::Position{1, 3}));
  EXPECT_EQ(Buckets(name, {0, 2})->buckets[0].position, (core::Position{1, 2}));
  EXPECT_EQ(Buckets(name, {1, 4}).status().message(), name + " has no table of pass 1, stage 4");
  EXPECT_EQ(Buckets(name, {0, 4}).status().message(), name + " has no table of stage 4");
  EXPECT_EQ(Buckets(name, {2, 0}).status().message(), name + " has no table of pass 2");
  EXPECT_EQ(Buckets(name, {2, 1}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SearchesTest, TheFrontierComesInPages) {
  const std::string name = Create(RandomSpec("s", 60));
  Finish();
  const auto all = Frontier(name);
  ASSERT_GT(all->points.size(), 2u);
  EXPECT_FALSE(all->has_more);
  std::vector<std::uint64_t> found;
  double above = -1;
  for (bool more = true; more;) {
    const auto page = Frontier(name, above, 2);
    ASSERT_FALSE(page->points.empty());
    ASSERT_LE(page->points.size(), 2u);
    for (const PointView& point : page->points) found.push_back(point.candidate);
    above = page->points.back().standing.cost;
    more = page->has_more;
  }
  std::vector<std::uint64_t> expected;
  for (const PointView& point : all->points) expected.push_back(point.candidate);
  EXPECT_EQ(found, expected);
}

TEST_F(SearchesTest, SearchesThatEndedLongAgoAreDeleted) {
  options_.retention = Millis{60'000};
  Restart();
  const std::string old = Create(RandomSpec("old", 1));
  const std::string open = Create(RandomSpec("open", 100));
  const std::string young = Create(RandomSpec("young", 1));
  ASSERT_TRUE(Cancel(old).ok());
  Pass(Millis{30'000});
  ASSERT_TRUE(Cancel(young).ok());
  Pass(Millis{29'999});
  EXPECT_TRUE(Get(old).ok());
  Pass(Millis{1'001});
  EXPECT_EQ(Get(old).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Get(young).ok());
  // This includes the time before a restart.
  Stop();
  clock_.Pass(Millis{60'000});
  Start();
  Settle();
  EXPECT_EQ(Get(young).status().code(), absl::StatusCode::kNotFound);
  // However long it takes.
  EXPECT_TRUE(Get(open).ok());
  // Wait until files are no longer being removed.
  Restart();
  EXPECT_EQ(Check().searches, 1u);
}

TEST_F(SearchesTest, OneThatThisVersionRefusesIsShownAndTheOthersGoOn) {
  const std::string bad = Create(RandomSpec("bad", 3));
  const std::string good = Create(RandomSpec("good", 3));
  for (const LeasedTask& task : Lease("w", 2)) Complete("w", task);
  storage::StoredSearch stored = store_->LoadSearches()->front().search;
  v1::SearchSpec spec;
  ASSERT_TRUE(spec.ParseFromString(stored.spec));
  // As if a later version refused it.
  spec.mutable_budget()->set_trainings(-1);
  stored.spec = spec.SerializeAsString();
  storage::Batch batch;
  batch.PutSearch(stored);
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  Restart();
  const auto view = Get(bad);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->state, core::SearchState::kFailed);
  EXPECT_THAT(view->state_reason, HasSubstr("cannot continue"));
  EXPECT_THAT(view->state_reason, HasSubstr("budget.trainings"));
  EXPECT_THAT(Candidates(bad), SizeIs(Gt(0u)));
  EXPECT_EQ(Pause(bad).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Cancel(bad).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Await<FrontierView>([&](auto reply) { engine_->GetFrontier(bad, -1, 10, reply); }).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(ReadChanges(bad, 0).ok());
  Finish();
  EXPECT_EQ(Get(good)->state, core::SearchState::kSucceeded);
  // It is unchanged.
  EXPECT_EQ(store_->LoadSearches()->front().search, stored);
  Restart();
  EXPECT_TRUE(Delete(bad).ok());
  Restart();
  EXPECT_EQ(Get(bad).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SearchesTest, OneWhoseCandidatesDoNotFitItsSpaceIsShownAndTheOthersGoOn) {
  const std::string bad = Create(RandomSpec("bad", 3));
  const std::string good = Create(RandomSpec("good", 3));
  for (const LeasedTask& task : Lease("w", 2)) Complete("w", task);
  core::Candidate candidate = store_->LoadSearches()->front().candidates.front();
  ASSERT_EQ(candidate.number, 1u);
  candidate.architecture.push_back(0);
  storage::Batch batch;
  batch.PutCandidate(1, candidate);
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  Restart();
  const auto view = Get(bad);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->state, core::SearchState::kFailed);
  EXPECT_THAT(view->state_reason, HasSubstr("its candidate 1 is not an architecture of its space"));
  Finish();
  EXPECT_EQ(Get(good)->state, core::SearchState::kSucceeded);
}

}  // namespace
}  // namespace layernas
