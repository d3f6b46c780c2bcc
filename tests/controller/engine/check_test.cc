#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckTest : public EngineTest {
 protected:
  // Finishes a search, and then opens the store without an engine.
  CheckTest() {
    Create(LayerNasSpec("s"));
    Finish();
    engine_.reset();
    candidates_ = store_->ReadCandidates(1, 0, kAll)->candidates;
    buckets_ = *store_->ReadBuckets(1);
  }

  void Put(const core::Candidate& candidate) {
    storage::Batch batch;
    batch.PutCandidate(1, candidate);
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  }
  void Put(const storage::TableKey& key, const std::vector<storage::StoredBucketEntry>& bucket) {
    storage::Batch batch;
    batch.PutBucket(key, bucket);
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  }
  std::vector<std::string> Problems() { return Check().problems; }

  std::vector<core::Candidate> candidates_;
  std::vector<std::pair<storage::TableKey, std::vector<storage::StoredBucketEntry>>> buckets_;
};

TEST_F(CheckTest, AFinishedSearchIsConsistent) {
  const CheckReport report = Check();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.searches, 1u);
  EXPECT_EQ(report.candidates, candidates_.size());
  EXPECT_EQ(report.tables, 4u);
}

TEST_F(CheckTest, ARepeatOfAnotherArchitectureIsFound) {
  core::Candidate repeat = candidates_.back();
  repeat.number = candidates_.size() + 1;
  repeat.repeat_of = 1;
  repeat.repeat = 1;
  Put(repeat);
  EXPECT_THAT(Problems(),
              ElementsAre(HasSubstr("repeats a candidate that is later, has no result or has another architecture")));
}

TEST_F(CheckTest, ATamperedBucketIsFound) {
  auto [key, bucket] = buckets_.back();
  bucket[0].reward += 0.001;
  Put(key, bucket);
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("searches/s-1: the table of pass 1, stage 3")));
}

TEST_F(CheckTest, AMissingBucketIsFound) {
  Put(buckets_.front().first, {});
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("the table of pass 1, stage 0")));
}

TEST_F(CheckTest, ATableTooManyIsFound) {
  Put({1, 2, 1, 0}, {{1, 0.5, 1}});
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("a table of pass 2, stage 1 is stored")));
}

TEST_F(CheckTest, ATamperedRewardIsFound) {
  // Where it counts in a table, and where it does not.
  for (const core::Candidate& candidate : candidates_) {
    core::Candidate tampered = candidate;
    tampered.reward += 1000;
    Put(tampered);
    EXPECT_THAT(Problems(), ElementsAre("searches/s-1/candidates/" + std::to_string(candidate.number) +
                                        " has a reward that differs from its metric"));
    Put(candidate);
  }
  core::Candidate tampered = candidates_[0];
  tampered.reward = 1000;
  tampered.metrics.Set("accuracy", 1000);
  Put(tampered);
  EXPECT_THAT(Problems(), Not(IsEmpty()));
}

TEST_F(CheckTest, TamperedCandidatesAreFound) {
  const auto expect = [this](const char* what, auto change) {
    core::Candidate tampered = candidates_[1];
    change(tampered);
    Put(tampered);
    EXPECT_THAT(Problems(), ::testing::Contains(HasSubstr(std::string("searches/s-1/candidates/2 ") + what)));
    Put(candidates_[1]);
  };
  expect("has a cost", [](core::Candidate& one) { one.cost += 1; });
  expect("has the wrong number of layers", [](core::Candidate& one) { one.architecture.pop_back(); });
  expect("has an option that its layer lacks", [](core::Candidate& one) { one.architecture[0] = 3; });
  expect("occurs twice", [this](core::Candidate& one) { one.architecture = candidates_[0].architecture; });
  expect("has a state that does not match", [](core::Candidate& one) { one.result_attempt = 0; });
  expect("has a state that does not match", [](core::Candidate& one) { one.state = core::CandidateState::kFailed; });
  expect("has a result from an attempt", [](core::Candidate& one) { one.result_attempt = 9; });
  expect("has succeeded without a reward", [](core::Candidate& one) { one.metrics = {}; });
  expect("is unfinished in an ended search", [](core::Candidate& one) {
    one.state = core::CandidateState::kLeased;
    one.result_attempt = 0;
  });
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(CheckTest, ASpecThatCannotBeReadIsFound) {
  storage::StoredSearch search = store_->LoadSearches()->front().search;
  search.spec = "rubbish";
  storage::Batch batch;
  batch.PutSearch(search);
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("searches/s-1: the stored spec cannot be parsed")));
}

}  // namespace
}  // namespace layernas
