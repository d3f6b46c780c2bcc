#include "controller/engine/turn_recorder.h"

#include "tests/controller/engine/state_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TurnRecorderTest : public StateTest {
 protected:
  // Ends a turn.
  void Record() {
    std::vector<storage::Batch> batches;
    batches.push_back(recorder_.Collect());
    ASSERT_TRUE(store_.Commit(std::move(batches)).ok());
  }
  // Returns the contents of the disk.
  std::vector<storage::LoadedSearch> Stored() { return store_.LoadSearches().value(); }
  std::vector<std::uint64_t> StoredChanges(std::uint64_t search) {
    std::vector<std::uint64_t> sequences;
    const auto changes = store_.ReadChanges(search, 0, 1'000'000);
    for (const storage::StoredChange& change : *changes) sequences.push_back(change.sequence);
    return sequences;
  }
  void AddLog(std::uint64_t candidate, std::uint32_t attempt) {
    storage::StoredLog log;
    log.tail = "of " + std::to_string(candidate) + "." + std::to_string(attempt);
    state_.new_logs.emplace_back(storage::LogKey{1, candidate, attempt}, log);
  }
  std::vector<int> StoredLogs(std::uint64_t candidate) {
    std::vector<int> attempts;
    const auto logs = store_.ReadLogs(1, candidate);
    for (const auto& [attempt, log] : *logs) attempts.push_back(attempt);
    return attempts;
  }

  TurnRecorder recorder_{state_};
};

TEST_F(TurnRecorderTest, WritesWhatHasChangedAndSaysWhere) {
  SearchEntry& entry = Add();
  SearchEntry& other = Add();
  state_.touched = {1, 2, 77};
  Record();
  EXPECT_THAT(state_.touched, ElementsAre(1, 2));
  EXPECT_EQ(store_.NextSearchId().value(), 3u);
  ASSERT_THAT(Stored(), SizeIs(2));
  EXPECT_EQ(entry.sequence, 1u);
  // Nothing has changed.
  Record();
  EXPECT_THAT(state_.touched, IsEmpty());
  EXPECT_EQ(entry.sequence, 1u);
  Pass(Millis{5});
  Lease(entry);
  state_.touched = {1, 2};
  Record();
  EXPECT_THAT(state_.touched, ElementsAre(1));
  // The candidate, and the search, whose time has started.
  EXPECT_EQ(entry.sequence, 3u);
  EXPECT_EQ(other.sequence, 1u);
  const storage::LoadedSearch stored = Stored()[0];
  ASSERT_THAT(stored.candidates, SizeIs(1));
  EXPECT_EQ(stored.candidates[0], *entry.search->candidate(1));
  EXPECT_EQ(stored.sequence, 3u);
  EXPECT_EQ(stored.search.started, kStart + 5);
  EXPECT_EQ(stored.search, entry.stored);
  EXPECT_THAT(StoredChanges(1), ElementsAre(1, 2, 3));
}

TEST_F(TurnRecorderTest, KeepsTheLeasesInStepWithTheCandidates) {
  SearchEntry& entry = Add();
  const core::Candidate& candidate = Lease(entry);
  state_.touched = {1};
  // It expired, and its worker resumed it without a new deadline.
  Record();
  ASSERT_TRUE(state_.leases.Holds({1, 1}, "w"));
  EXPECT_EQ(state_.leases.Deadline({1, 1}), state_.now.steady + Millis{30'000});
  // A held lease keeps its deadline.
  Lease(entry);
  state_.leases.Set({1, 2}, "w", state_.now.steady + Millis{7});
  state_.touched = {1};
  Record();
  EXPECT_EQ(state_.leases.Deadline({1, 2}), state_.now.steady + Millis{7});
  Complete(entry, candidate, 0.5);
  entry.search->Release(2, 1);
  state_.touched = {1};
  Record();
  EXPECT_EQ(state_.leases.size(), 0u);
}

TEST_F(TurnRecorderTest, ClosesASearchThatHasEnded) {
  core::SearchConfig config = Config();
  config.trainings = 1;
  SearchEntry& entry = Add(config);
  Complete(entry, Lease(entry), 0.5);
  state_.touched = {1};
  Record();
  EXPECT_THAT(state_.searches.open(), IsEmpty());
  const storage::StoredSearch stored = Stored()[0].search;
  EXPECT_EQ(stored.state, core::SearchState::kSucceeded);
  EXPECT_EQ(stored.state_reason, "its budget of 1 training is used");
  EXPECT_EQ(stored.searching_over, "its budget of 1 training is used");
  EXPECT_EQ(stored.ended, kStart);
}

TEST_F(TurnRecorderTest, WritesFinalTables) {
  core::SearchConfig config = Config();
  core::LayerNasOptions options;
  options.order = {0, 1};
  config.strategy = options;
  SearchEntry& entry = Add(config);
  while (!core::IsFinal(entry.search->state())) {
    const core::Candidate& candidate = Lease(entry);
    Complete(entry, candidate, static_cast<double>(candidate.number));
    state_.touched = {1};
    Record();
  }
  std::size_t buckets = 0;
  for (const core::StageTable& table : entry.search->final_tables()) {
    for (std::size_t i = 0; i < table.table.edges().count(); ++i) buckets += table.table.Bucket(i).empty() ? 0 : 1;
  }
  ASSERT_GT(buckets, 0u);
  const auto stored = store_.ReadBuckets(1).value();
  EXPECT_THAT(stored, SizeIs(buckets));
  const storage::StoredBucketEntry& best = stored.back().second.front();
  EXPECT_EQ(best.reward, entry.search->candidate(best.candidate)->reward);
  EXPECT_EQ(best.cost, entry.search->candidate(best.candidate)->cost);
}

TEST_F(TurnRecorderTest, DeletesSearchesAndLeavesBrokenOnesAlone) {
  Add();
  SearchEntry& second = Add();
  state_.touched = {1, 2};
  Record();
  state_.searches.Remove(1);
  state_.deleted = {1};
  second.search = nullptr;
  state_.touched = {1, 2};
  Record();
  EXPECT_THAT(state_.touched, IsEmpty());
  ASSERT_THAT(Stored(), SizeIs(1));
  EXPECT_EQ(Stored()[0].search.id, 2u);
}

TEST_F(TurnRecorderTest, WritesTheTimeOfTheStore) {
  Add();
  state_.touched = {1};
  state_.store_time = {5'000, Millis{-7}, Millis{3}};
  Record();
  const auto stored = *store_.LastStoreTime();
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->time, 5'000);
  EXPECT_EQ(stored->machine_ahead, Millis{-7});
  EXPECT_EQ(stored->machine_most_ahead, Millis{3});
}

TEST_F(TurnRecorderTest, TrimsChanges) {
  SearchEntry& entry = Add();
  for (int i = 0; i < 1009; ++i) {
    ASSERT_TRUE(entry.search->Share({1, i, 0}).ok());
    state_.touched = {1};
    Record();
  }
  EXPECT_THAT(StoredChanges(1), SizeIs(1009));
  ASSERT_TRUE(entry.search->Share({1, 2000, 0}).ok());
  state_.touched = {1};
  Record();
  const std::vector<std::uint64_t> kept = StoredChanges(1);
  EXPECT_THAT(kept, SizeIs(11));
  EXPECT_EQ(kept.front(), entry.first_kept);
  EXPECT_EQ(kept.back(), 1010u);
}

// The logs of two candidates, each with the two latest attempts.
TEST_F(TurnRecorderTest, KeepsTheLatestLogs) {
  Add();
  for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
    AddLog(1, attempt);
    Record();
  }
  EXPECT_THAT(StoredLogs(1), ElementsAre(3, 4));
  EXPECT_THAT(state_.new_logs, IsEmpty());
  AddLog(102, 1);
  Record();
  EXPECT_THAT(StoredLogs(1), ElementsAre(3, 4));
  AddLog(103, 1);
  Record();
  EXPECT_THAT(StoredLogs(1), IsEmpty());
  EXPECT_THAT(StoredLogs(102), ElementsAre(1));
  EXPECT_THAT(StoredLogs(103), ElementsAre(1));
  // Too late to be one of the latest.
  AddLog(101, 2);
  Record();
  EXPECT_THAT(StoredLogs(101), IsEmpty());
  // A log of a deleted search.
  state_.searches.Remove(1);
  AddLog(103, 2);
  Record();
  EXPECT_THAT(StoredLogs(103), ElementsAre(1));
}

}  // namespace
}  // namespace layernas
