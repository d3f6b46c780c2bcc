// Specs are checked on separate threads, not on those that serve calls. So a client with many
// checks does not delay others.
#include <atomic>
#include <chrono>
#include <deque>
#include <thread>

#include "tests/controller/service/service_fixture.h"

namespace layernas {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;

using Searcher = v1::SearchService::StubInterface;
using Worker = v1::WorkerService::StubInterface;

// A spec that takes long to check: each option has all the edges of its layer.
v1::SearchSpec CostlySpec() {
  v1::SearchSpec spec = RandomSpec("costly", 10, 10, 9);
  for (const int size : {3, 32, 32}) spec.mutable_space()->mutable_network()->add_input(size);
  spec.mutable_space()->mutable_network()->set_classes(10);
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    layer.set_channels(8);
    auto& fields = *layer.mutable_parameters()->mutable_fields();
    fields["block"].set_string_value("cell");
    // 90 nodes.
    for (int i = 0; i < 90 * 89 / 2; ++i) fields["edges"].mutable_list_value()->add_values()->set_string_value("none");
    for (v1::Option& option : *layer.mutable_options()) option.clear_costs();
  }
  spec.mutable_objective()->set_cost("params");
  spec.mutable_objective()->set_counted(true);
  return spec;
}

class CheckQueueTest : public ServiceTest {
 protected:
  struct Check {
    grpc::ClientContext context;
    v1::ValidateSearchResponse response;
    grpc::Status status;
    std::atomic<bool> done = false;
  };

  CheckQueueTest() { *request_.mutable_spec() = CostlySpec(); }
  ~CheckQueueTest() override {
    GiveUp();
    Stop();
  }

  void Post(int count) {
    for (int i = 0; i < count; ++i) {
      Check& check = checks_.emplace_back();
      SetDeadline(check.context, std::chrono::seconds(600));
      searches_->async()->ValidateSearch(&check.context, &request_, &check.response, [&check](grpc::Status status) {
        check.status = std::move(status);
        check.done = true;
      });
    }
  }
  void GiveUp() {
    for (Check& check : checks_) check.context.TryCancel();
    for (const Check& check : checks_) {
      while (!check.done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  // Returns a check that was refused because others wait.
  const Check* Refused() const {
    for (const Check& check : checks_) {
      if (check.done && check.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) return &check;
    }
    return nullptr;
  }
  static double SecondsOf(const std::function<void()>& work) {
    const auto begin = steady_clock::now();
    work();
    return std::chrono::duration<double>(steady_clock::now() - begin).count();
  }
  void CheckSmall() {
    v1::ValidateSearchRequest request;
    *request.mutable_spec() = RandomSpec("small", 5);
    v1::ValidateSearchResponse response;
    const grpc::Status status = Searches(&Searcher::ValidateSearch, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  v1::ValidateSearchRequest request_;
  // Their addresses must not change.
  std::deque<Check> checks_;
};

TEST_F(CheckQueueTest, ManyCostlyChecksKeepNoHeartbeatWaiting) {
  Post(60);
  while (Refused() == nullptr) {
    ASSERT_TRUE(std::any_of(checks_.begin(), checks_.end(), [](const Check& check) { return !check.done; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_THAT(Refused()->status.error_message(), HasSubstr("specs of"));
  v1::HeartbeatRequest heartbeat;
  heartbeat.mutable_worker()->set_id("w");
  v1::HeartbeatResponse beaten;
  EXPECT_LT(SecondsOf([&] { EXPECT_TRUE(Workers(&Worker::Heartbeat, heartbeat, &beaten).ok()); }), 1);
  // The heartbeat was not just the last one.
  EXPECT_TRUE(std::any_of(checks_.begin(), checks_.end(), [](const Check& check) { return !check.done; }));
}

TEST_F(CheckQueueTest, WhatItsCallerHasGivenUpIsNotChecked) {
  v1::ValidateSearchResponse response;
  const double one = SecondsOf([&] {
    const grpc::Status status = Searches(&Searcher::ValidateSearch, request_, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  });
  // One check runs and others wait, with room for one more.
  Post(15);
  // The first one is being checked when all are cancelled.
  std::this_thread::sleep_for(std::chrono::duration<double>(one / 4));
  GiveUp();
  EXPECT_LT(SecondsOf([&] { CheckSmall(); }), 5 * one + 0.1);
}

}  // namespace
}  // namespace layernas
