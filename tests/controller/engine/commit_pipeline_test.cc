#include "controller/engine/commit_pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "tests/controller/support/temp_dir.h"

namespace layernas {
namespace {

class CommitPipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = storage::Store::Open(temp_.Path("data"));
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    pipeline_ = std::make_unique<CommitPipeline>(*store_, metrics_, Clock::Real(), [this] { ++writes_; });
  }

  // Returns a turn that writes `id`, or nothing if that is 0.
  Turn MakeTurn(std::uint64_t id, std::function<void()> answer) {
    Turn turn{storage::Batch(), {std::move(answer)}, 1};
    if (id != 0) turn.batch.PutNextSearchId(id);
    return turn;
  }

  TempDir temp_;
  ControllerMetrics metrics_;
  std::unique_ptr<storage::Store> store_;
  std::atomic<int> writes_{0};
  std::unique_ptr<CommitPipeline> pipeline_;
};

TEST_F(CommitPipelineTest, AnswersInOrderWhatIsWritten) {
  constexpr std::uint64_t kTurns = 300;
  std::vector<std::uint64_t> answered;
  for (std::uint64_t id = 1; id <= kTurns; ++id) {
    pipeline_->Post(MakeTurn(id, [this, id, &answered] {
      EXPECT_GE(*store_->NextSearchId(), id);
      answered.push_back(id);
    }));
  }
  // Writes and answers everything.
  pipeline_.reset();
  ASSERT_EQ(answered.size(), kTurns);
  EXPECT_TRUE(std::is_sorted(answered.begin(), answered.end()));
  EXPECT_EQ(*store_->NextSearchId(), kTurns);
  EXPECT_GE(writes_, 1);
  // There is one sync per write, however many turns shared it, and one for the new store.
  EXPECT_LE(store_->syncs(), static_cast<std::uint64_t>(writes_) + 1);
}

// The answer of a turn without a write may depend on a change that is not written yet.
TEST_F(CommitPipelineTest, AnswersWithoutAWriteWaitForThoseBefore) {
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) {
    pipeline_->Post(MakeTurn(i % 2 == 0 ? i + 1 : 0, [this, i, &order] {
      EXPECT_GE(*store_->NextSearchId(), static_cast<std::uint64_t>(i / 2 * 2 + 1));
      order.push_back(i);
    }));
  }
  pipeline_.reset();
  ASSERT_EQ(order.size(), 50u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

}  // namespace
}  // namespace layernas
