// Tests following a search over broken connections, with a controller whose answers the test
// decides.
#include "client/watch/watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/watch/progress_text.h"
#include "client/watch/status_poller.h"
#include "common/base/mutex.h"
#include "tests/client/fake_controller.h"

namespace layernas::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kName[] = "searches/long-1";
constexpr char kAgain[] = "reconnected";

class NotingView : public WatchView {
 public:
  void Show(const v1::WatchSearchResponse& change) override { shown.push_back(change.sequence()); }
  void Notice(const std::string& text) override { notices.push_back(text); }
  void End() override {}

  std::vector<std::uint64_t> shown;
  std::vector<std::string> notices;
};

class FleetView : public WatchView {
 public:
  void Show(const v1::WatchSearchResponse&) override {}
  void Notice(const std::string&) override {}
  void Status(const v1::Search&, const Fleet& fleet) override {
    const MutexLock lock(mutex);
    seen = fleet;
    changed.NotifyAll();
  }
  void End() override {}

  Mutex mutex;
  CondVar changed;
  std::optional<Fleet> seen;
};

class WatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    controller_.get = [](const auto&, auto& response) {
      response.mutable_search()->set_name(kName);
      return grpc::Status::OK;
    };
  }

  // Does not retry: gives up if the controller cannot be reached when a watch breaks again.
  absl::StatusOr<std::optional<v1::Search>> WatchImpatiently() {
    auto connection = ControllerConnection::Create(controller_.address(), {});
    EXPECT_TRUE(connection.ok()) << connection.status();
    StopSignal stop;
    return Watch(**connection, kName, 7, view_, stop, std::chrono::nanoseconds(0));
  }

  std::string Broke() const {
    return "the connection to the controller at " + controller_.address() + " was lost; retrying…";
  }

  FakeController controller_;
  NotingView view_;
};

grpc::Status Succeed(grpc::ServerWriter<v1::WatchSearchResponse>& writer) {
  v1::WatchSearchResponse change;
  change.set_sequence(8);
  change.mutable_search()->set_state(v1::SEARCH_STATE_SUCCEEDED);
  writer.Write(change);
  return grpc::Status::OK;
}

TEST_F(WatcherTest, TheWholeFleetIsCounted) {
  controller_.workers = [](const v1::ListWorkersRequest& request, v1::ListWorkersResponse& response) {
    v1::WorkerStatus& worker = *response.add_workers();
    worker.mutable_info()->set_slots(2);
    worker.add_candidates("searches/long-1/candidates/1");
    if (request.page_token().empty()) response.set_next_page_token("next");
    return grpc::Status::OK;
  };
  FleetView view;
  const auto connection = ControllerConnection::Create(controller_.address(), {});
  ASSERT_TRUE(connection.ok());
  const StatusPoller poller(**connection, kName, view);
  const MutexLock lock(view.mutex);
  while (!view.seen) view.changed.Wait(view.mutex);
  EXPECT_EQ(view.seen->workers, 2);
  EXPECT_EQ(view.seen->slots, 4);
  EXPECT_EQ(view.seen->busy, 2);
}

TEST_F(WatcherTest, ARestartIsOverWhenTheWatchIsOpenAgainThoughNothingChanges) {
  controller_.opens_watches = true;
  int watches = 0;
  controller_.watch = [&watches](const auto& request, auto& writer) {
    EXPECT_EQ(request.after_sequence(), 7U);
    if (++watches <= 3) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting");
    return Succeed(writer);
  };
  const auto last = WatchImpatiently();
  ASSERT_TRUE(last.ok()) << last.status();
  ASSERT_TRUE(last->has_value());
  EXPECT_EQ((*last)->state(), v1::SEARCH_STATE_SUCCEEDED);
  EXPECT_THAT(view_.notices, ElementsAre(Broke(), kAgain, Broke(), kAgain, Broke(), kAgain));
  EXPECT_THAT(view_.shown, ElementsAre(8));
}

TEST_F(WatcherTest, AControllerThatAnswersButRefusesToBeWatchedIsGivenUp) {
  int watches = 0;
  controller_.watch = [&watches](const auto&, auto&) {
    // Ends even if the client would continue forever.
    return ++watches <= 5 ? grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many watches")
                          : grpc::Status(grpc::StatusCode::NOT_FOUND, "over");
  };
  const auto last = WatchImpatiently();
  EXPECT_EQ(last.status().code(), absl::StatusCode::kResourceExhausted) << last.status();
  EXPECT_EQ(watches, 2);
  EXPECT_THAT(view_.notices, ElementsAre(HasSubstr("too many watches")));
}

TEST(WatchState, AClockThatIsAheadChangesNoRateAndNoElapsedTime) {
  const auto at = [](int seconds) { return std::chrono::system_clock::time_point(std::chrono::seconds(seconds)); };
  WatchState state;
  const auto end = [&](std::uint64_t sequence, int seconds, int arrived) {
    v1::WatchSearchResponse change;
    change.set_sequence(sequence);
    change.mutable_time()->set_seconds(seconds);
    change.mutable_candidate()->set_state(v1::CANDIDATE_STATE_SUCCEEDED);
    change.mutable_candidate()->mutable_end_time()->set_seconds(seconds);
    state.Apply(change, at(arrived));
  };
  v1::Search search;
  search.set_name(kName);
  search.set_sequence(7);
  search.mutable_create_time()->set_seconds(1000);
  // An hour ahead. An earlier change says nothing about the clocks.
  end(7, 1010, 4611);
  state.Apply(search, Fleet());
  EXPECT_EQ(state.ControllerTime(at(4611)), at(4611));
  for (int i = 1; i <= 4; ++i) end(7 + i, 1010 + 10 * i, 4610 + 10 * i);
  // Arrives late.
  end(12, 1060, 4690);
  EXPECT_EQ(state.ControllerTime(at(4660)), at(1060));
  EXPECT_NEAR(state.Rate(at(4660)).value(), 0.1, 1e-9);
  EXPECT_THAT(ProgressLines(state, at(4660), 100)[0].text, HasSubstr(", 1m00s"));
}

}  // namespace
}  // namespace layernas::client
