// Tests an agent that cannot start its threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/process/no_threads.h"
#include "tests/worker/agent/fake_controller.h"
#include "worker/agent/agent.h"

namespace layernas {
namespace {

using ::testing::HasSubstr;

TEST(AgentThreads, WhereNoneCanBeMadeItIsAnError) {
  FakeController controller;
  prometheus::Registry registry;
  WorkerMetrics metrics(registry, 1, {});
  AgentOptions options;
  options.worker_id = "worker-1";
  Agent agent(
      options,
      std::make_unique<ControllerClient>(v1::WorkerService::NewStub(rpc::MakeChannel(controller.address())),
                                         controller.address().ToString()),
      [](int) { return nullptr; }, metrics);
  const NoThreads no_threads;
  const absl::Status status = agent.Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Resource temporarily unavailable"));
}

}  // namespace
}  // namespace layernas
