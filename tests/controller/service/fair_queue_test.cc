#include "controller/service/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FairQueue, TakesCallersInTurnAndBoundsEach) {
  std::promise<void> begun;
  std::promise<void> go_on;
  std::vector<std::string> done;
  {
    FairQueue queue(2);
    ASSERT_TRUE(queue
                    .Post("ann",
                          [&] {
                            begun.set_value();
                            go_on.get_future().wait();
                            done.push_back("ann 1");
                          })
                    .ok());
    begun.get_future().wait();
    EXPECT_TRUE(queue.Post("ann", [&] { done.push_back("ann 2"); }).ok());
    EXPECT_TRUE(queue.Post("ann", [&] { done.push_back("ann 3"); }).ok());
    const absl::Status refused = queue.Post("ann", [&] { done.push_back("ann 4"); });
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("2 specs of ann"));
    EXPECT_TRUE(queue.Post("bob", [&] { done.push_back("bob 1"); }).ok());
    go_on.set_value();
  }
  EXPECT_THAT(done, ElementsAre("ann 1", "bob 1", "ann 2", "ann 3"));
}

}  // namespace
}  // namespace layernas
