#include <cmath>
#include <future>
#include <limits>

#include "tests/controller/service/service_fixture.h"

namespace layernas {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Worker = v1::WorkerService::StubInterface;

class WorkerServiceTest : public ServiceTest {
 protected:
  template <typename Request, typename Response>
  void ExpectRefused(grpc::Status (Worker::*method)(grpc::ClientContext*, const Request&, Response*),
                     const Request& request, const std::string& message) {
    Response response;
    const grpc::Status status = Workers(method, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), StartsWith(message));
  }
};

TEST_F(WorkerServiceTest, LeaseTasksChecksItsRequest) {
  const v1::LeaseTasksRequest good = LeaseRequest("w", 1);
  const auto expect = [&](const std::string& message, auto change) {
    v1::LeaseTasksRequest request = good;
    change(request);
    ExpectRefused(&Worker::LeaseTasks, request, message);
  };
  expect("worker.id: must not be empty", [](auto& request) { request.mutable_worker()->clear_id(); });
  expect("worker.id: has 101 bytes; the maximum is 100",
         [](auto& request) { request.mutable_worker()->set_id(std::string(101, 'x')); });
  expect("worker.slots: must be 0 to 100000, is -1", [](auto& request) { request.mutable_worker()->set_slots(-1); });
  // The sum of three of these would overflow 32 bits.
  constexpr int kLargest = std::numeric_limits<int>::max();
  expect("worker.slots: must be 0 to 100000, is 2147483647",
         [](auto& request) { request.mutable_worker()->set_slots(kLargest); });
  expect("worker.version: has 101 bytes",
         [](auto& request) { request.mutable_worker()->set_version(std::string(101, 'x')); });
  expect("worker.labels key: must not be empty",
         [](auto& request) { (*request.mutable_worker()->mutable_labels())[""] = "x"; });
  expect("worker.labels: must be 0 to 64, is 65", [](auto& request) {
    for (int i = 0; i < 65; ++i) (*request.mutable_worker()->mutable_labels())[std::to_string(i)].clear();
  });
  expect("max_tasks: must be 1 to 64, is 0", [](auto& request) { request.set_max_tasks(0); });
  expect("max_tasks: must be 1 to 64, is 65", [](auto& request) { request.set_max_tasks(65); });
  expect("request_id: must not be empty", [](auto& request) { request.clear_request_id(); });
}

TEST_F(WorkerServiceTest, TheOtherCallsCheckTheirsToo) {
  v1::HeartbeatRequest heartbeat;
  ExpectRefused(&Worker::Heartbeat, heartbeat, "worker.id: must not be empty");
  heartbeat.mutable_worker()->set_id("w");
  heartbeat.mutable_worker()->set_slots(std::numeric_limits<int>::max());
  ExpectRefused(&Worker::Heartbeat, heartbeat, "worker.slots: must be 0 to 100000, is 2147483647");
  heartbeat.mutable_worker()->set_slots(1);
  for (int i = 0; i < 1025; ++i) heartbeat.add_leases();
  ExpectRefused(&Worker::Heartbeat, heartbeat, "leases: must be 0 to 1024, is 1025");

  v1::CompleteTasksRequest complete;
  ExpectRefused(&Worker::CompleteTasks, complete, "worker_id: must not be empty");
  complete.set_worker_id("w");
  ExpectRefused(&Worker::CompleteTasks, complete, "completions: must be 1 to 256, is 0");
  v1::ReleaseTasksRequest release;
  ExpectRefused(&Worker::ReleaseTasks, release, "worker_id: must not be empty");
  release.set_worker_id("w");
  ExpectRefused(&Worker::ReleaseTasks, release, "lease_tokens: must be 1 to 1024, is 0");
}

// Three leases: a report on one does not affect the others.
TEST_F(WorkerServiceTest, OneBadItemNeverCostsItsNeighbours) {
  const std::string name = Create(RandomSpec("s", 20));
  const auto leases = Lease(LeaseRequest("w", 20)).tasks();
  ASSERT_EQ(leases.size(), 20);
  const std::string long_token(101, 'x');
  const double huge = -1e39;
  const float infinite = std::numeric_limits<float>::infinity();

  v1::HeartbeatRequest heartbeat;
  heartbeat.mutable_worker()->set_id("w");
  const auto held = [&](int i) {
    v1::HeldLease& lease = *heartbeat.add_leases();
    lease.set_lease_token(leases[i].lease_token());
    return lease.mutable_progress();
  };
  held(0)->set_reward(huge);
  held(1)->set_epoch(-1);
  held(2)->set_epochs(-7);
  held(3)->set_reward(std::nan(""));
  held(4)->set_reward(infinite);
  v1::HeldLease& curve = *heartbeat.add_leases();
  curve.set_lease_token(leases[5].lease_token());
  for (const int epoch : {3, 1, -2, 0}) curve.add_curve()->set_epoch(epoch);
  curve.mutable_curve(0)->set_reward(infinite);
  heartbeat.add_leases()->set_lease_token(long_token);
  heartbeat.add_leases()->set_lease_token("a\nb");
  v1::HeartbeatResponse beaten;
  ASSERT_TRUE(Workers(&Worker::Heartbeat, heartbeat, &beaten).ok());
  ASSERT_EQ(beaten.verdicts_size(), 8);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(beaten.verdicts(i).action(), v1::LEASE_ACTION_CONTINUE) << i;
  for (int i = 6; i < 8; ++i) {
    EXPECT_EQ(beaten.verdicts(i).action(), v1::LEASE_ACTION_CANCEL) << i;
    EXPECT_THAT(beaten.verdicts(i).message(), HasSubstr("unknown lease"));
  }

  v1::CompleteTasksRequest complete;
  complete.set_worker_id("w");
  std::vector<std::string> reasons;
  const auto result = [&](const std::string& reason) {
    v1::Completion& one = *complete.add_completions();
    one.set_lease_token(leases[static_cast<int>(reasons.size())].lease_token());
    reasons.push_back(reason);
    v1::TaskResult& made = *one.mutable_result();
    (*made.mutable_metrics())["accuracy"] = 0.5;
    return &made;
  };
  result("");
  auto& many = *result("has 301 metrics; the maximum is 256")->mutable_metrics();
  for (int i = 0; i < 300; ++i) many["class_" + std::to_string(i)] = 0.5;
  (*result("name of a metric of the result has 101 bytes; the maximum is 100")
        ->mutable_metrics())[std::string(101, 'x')] = 1;
  (*result("must not hold control characters")->mutable_metrics())["a\nb"] = 1;
  (*result("must not be empty")->mutable_metrics())[""] = 1;
  result("path of the weights")->mutable_weights()->set_sha256(std::string(64, 'a'));
  result("sha256 of the weights")->mutable_weights()->set_path("/w");
  result("neither a result nor a failure");
  complete.mutable_completions(7)->clear_outcome();
  // An invalid curve is omitted.
  v1::TaskResult& curved = *result("");
  for (const int epoch : {2, 2, 1, 4}) curved.add_curve()->set_epoch(epoch);
  // A metric that nothing depends on is omitted too.
  (*result("")->mutable_metrics())["f1"] = std::nan("");
  v1::CompleteTasksResponse completed;
  ASSERT_TRUE(Workers(&Worker::CompleteTasks, complete, &completed).ok());
  ASSERT_EQ(completed.verdicts_size(), static_cast<int>(reasons.size()));
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    const v1::CompletionVerdict& verdict = completed.verdicts(static_cast<int>(i));
    EXPECT_EQ(verdict.status(), reasons[i].empty() ? v1::COMPLETION_STATUS_ACCEPTED : v1::COMPLETION_STATUS_INVALID)
        << i;
    EXPECT_THAT(verdict.message(), HasSubstr(reasons[i])) << i;
  }
  // Those attempts failed with that reason, and the candidates are retried.
  EXPECT_EQ(Get(name).progress().succeeded(), 3);
  EXPECT_EQ(Get(name).progress().queued(), 7);
  EXPECT_EQ(Get(name).progress().leased(), 10);

  v1::ReleaseTasksRequest release;
  release.set_worker_id("w");
  release.add_lease_tokens(long_token);
  release.add_lease_tokens(leases[10].lease_token());
  v1::ReleaseTasksResponse released;
  ASSERT_TRUE(Workers(&Worker::ReleaseTasks, release, &released).ok());
  EXPECT_EQ(Get(name).progress().leased(), 9);
}

TEST_F(WorkerServiceTest, FromLeaseToResult) {
  const std::string name = Create(RandomSpec("s", 3));
  const v1::LeaseTasksResponse leased = Lease(LeaseRequest("w", 8));
  ASSERT_EQ(leased.tasks_size(), 3);
  EXPECT_EQ(leased.tasks(0).candidate(), name + "/candidates/1");
  EXPECT_EQ(leased.tasks(0).lease_duration().seconds(), 30);
  EXPECT_EQ(leased.tasks(0).architecture().layers_size(), 4);

  v1::HeartbeatRequest heartbeat;
  heartbeat.mutable_worker()->set_id("w");
  for (const v1::Task& task : leased.tasks()) heartbeat.add_leases()->set_lease_token(task.lease_token());
  heartbeat.add_leases()->set_lease_token("rubbish");
  v1::HeartbeatResponse verdicts;
  ASSERT_TRUE(Workers(&Worker::Heartbeat, heartbeat, &verdicts).ok());
  ASSERT_EQ(verdicts.verdicts_size(), 4);
  EXPECT_EQ(verdicts.verdicts(2).action(), v1::LEASE_ACTION_CONTINUE);
  EXPECT_EQ(verdicts.verdicts(3).lease_token(), "rubbish");
  EXPECT_EQ(verdicts.verdicts(3).action(), v1::LEASE_ACTION_CANCEL);
  EXPECT_EQ(verdicts.interval().seconds(), 10);

  v1::CompleteTasksRequest complete;
  complete.set_worker_id("w");
  v1::Completion& good = *complete.add_completions();
  good.set_lease_token(leased.tasks(0).lease_token());
  (*good.mutable_result()->mutable_metrics())["accuracy"] = 0.5;
  v1::Completion& invalid = *complete.add_completions();
  invalid.set_lease_token(leased.tasks(1).lease_token());
  (*invalid.mutable_result()->mutable_metrics())["loss"] = 0.5;
  complete.add_completions()->mutable_failure()->set_message("of no lease");
  v1::CompleteTasksResponse completed;
  ASSERT_TRUE(Workers(&Worker::CompleteTasks, complete, &completed).ok());
  ASSERT_EQ(completed.verdicts_size(), 3);
  EXPECT_EQ(completed.verdicts(0).status(), v1::COMPLETION_STATUS_ACCEPTED);
  EXPECT_EQ(completed.verdicts(1).status(), v1::COMPLETION_STATUS_INVALID);
  EXPECT_THAT(completed.verdicts(1).message(), HasSubstr("lacks the metric accuracy"));
  EXPECT_EQ(completed.verdicts(2).status(), v1::COMPLETION_STATUS_REFUSED);

  v1::ReleaseTasksRequest release;
  release.set_worker_id("w");
  release.add_lease_tokens(leased.tasks(2).lease_token());
  v1::ReleaseTasksResponse released;
  ASSERT_TRUE(Workers(&Worker::ReleaseTasks, release, &released).ok());
  EXPECT_EQ(Get(name).progress().leased(), 0);
  EXPECT_EQ(Get(name).progress().queued(), 2);
}

TEST_F(WorkerServiceTest, TasksThatDoNotFitIntoOneAnswerAreGivenBack) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  (*spec.mutable_space()->mutable_network()->mutable_parameters()->mutable_fields())["text"].set_string_value(
      std::string(1'900'000, 'x'));
  const std::string name = Create(spec);
  const v1::LeaseTasksRequest request = LeaseRequest("w", 5);
  const v1::LeaseTasksResponse leased = Lease(request);
  EXPECT_EQ(leased.tasks_size(), 1);
  EXPECT_EQ(Get(name).progress().leased(), 1);
  EXPECT_EQ(Get(name).progress().queued(), 4);
  // A lost answer is repeated unchanged.
  EXPECT_EQ(Lease(request).tasks_size(), 1);
  EXPECT_EQ(Lease(LeaseRequest("w", 5)).tasks_size(), 1);
  EXPECT_EQ(Get(name).progress().leased(), 2);
}

TEST_F(WorkerServiceTest, ALongPollIsAnsweredBeforeItsDeadline) {
  v1::LeaseTasksRequest request = LeaseRequest("w", 1, 60);
  v1::LeaseTasksResponse response;
  grpc::ClientContext context;
  SetDeadline(context, std::chrono::seconds(2));
  const grpc::Status status = workers_->LeaseTasks(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.tasks_size(), 0);
}

TEST_F(WorkerServiceTest, OddWaitsAreTakenForTheNearestSensibleOnes) {
  v1::LeaseTasksRequest request = LeaseRequest("w", 1);
  request.mutable_max_wait()->set_seconds(-5);
  EXPECT_EQ(Lease(request).tasks_size(), 0);
  request = LeaseRequest("w", 1);
  request.mutable_max_wait()->set_seconds(std::numeric_limits<std::int64_t>::max());
  v1::LeaseTasksResponse response;
  grpc::ClientContext context;
  SetDeadline(context, std::chrono::seconds(2));
  EXPECT_TRUE(workers_->LeaseTasks(&context, request, &response).ok());
}

TEST_F(WorkerServiceTest, AWaitingPollGetsTheWorkThatComes) {
  auto polled = std::async(std::launch::async, [this] { return Lease(LeaseRequest("w", 1, 50)); });
  AwaitGauge("layernas_polls_parked", 1);
  Create(RandomSpec("s", 3));
  EXPECT_EQ(polled.get().tasks_size(), 1);
}

TEST_F(WorkerServiceTest, ACallerThatGoesAwayLeavesNothingParked) {
  grpc::ClientContext context;
  SetDeadline(context);
  auto polled = std::async(std::launch::async, [&] {
    v1::LeaseTasksResponse response;
    return workers_->LeaseTasks(&context, LeaseRequest("w", 1, 50), &response);
  });
  AwaitGauge("layernas_polls_parked", 1);
  context.TryCancel();
  EXPECT_EQ(polled.get().error_code(), grpc::StatusCode::CANCELLED);
  AwaitGauge("layernas_polls_parked", 0);
  const std::string name = Create(RandomSpec("s", 3));
  EXPECT_EQ(Get(name).progress().trainings(), 0);
}

TEST_F(WorkerServiceTest, ShutdownAnswersWhatIsParked) {
  std::vector<std::future<grpc::Status>> polls;
  for (int i = 0; i < 10; ++i) {
    polls.push_back(std::async(std::launch::async, [this, request = LeaseRequest(std::to_string(i), 1, 50)] {
      v1::LeaseTasksResponse response;
      return Workers(&Worker::LeaseTasks, request, &response);
    }));
  }
  AwaitGauge("layernas_polls_parked", 10);
  // Long before the polls' own ends, and before the server's grace of a minute.
  EXPECT_LT(Stop(), std::chrono::seconds(30));
  for (auto& poll : polls) EXPECT_EQ(poll.get().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(WorkerServiceTest, TheFleetIsListedPageByPage) {
  Create(RandomSpec("s", 3));
  Lease(LeaseRequest("b", 2));
  for (const char* id : {"d", "a", "c"}) {
    v1::HeartbeatRequest heartbeat;
    heartbeat.mutable_worker()->set_id(id);
    v1::HeartbeatResponse response;
    ASSERT_TRUE(Workers(&Worker::Heartbeat, heartbeat, &response).ok());
  }
  for (const int size : {1, 3, 4, 100}) {
    std::vector<std::string> ids;
    v1::ListWorkersRequest request;
    request.set_page_size(size);
    do {
      v1::ListWorkersResponse page;
      grpc::ClientContext context;
      SetDeadline(context);
      ASSERT_TRUE(fleet_->ListWorkers(&context, request, &page).ok());
      EXPECT_LE(page.workers_size(), size);
      for (const v1::WorkerStatus& worker : page.workers()) {
        ids.push_back(worker.info().id());
        EXPECT_EQ(worker.candidates_size(), worker.info().id() == "b" ? 2 : 0);
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_THAT(ids, ::testing::ElementsAre("a", "b", "c", "d")) << size;
  }
  v1::ListWorkersRequest request;
  request.set_page_size(1001);
  v1::ListWorkersResponse page;
  grpc::ClientContext context;
  EXPECT_EQ(fleet_->ListWorkers(&context, request, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace layernas
