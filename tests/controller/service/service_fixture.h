// The controller's services behind a real gRPC server.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/transport.h"
#include "controller/service/fleet_service.h"
#include "controller/service/search_service.h"
#include "controller/service/worker_service.h"
#include "controller/spec/core_config.h"
#include "tests/controller/support/specs.h"
#include "tests/controller/support/temp_dir.h"

namespace layernas {

using std::chrono::system_clock;

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() { Start({}); }
  ~ServiceTest() override { Stop(); }

  void Start(EngineOptions options) {
    auto store = storage::Store::Open(temp_.Path("data"));
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto engine = Engine::Create(
        *store_, options, [](std::string_view spec) { return ToCoreConfig(spec); }, metrics_, Clock::Real());
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    search_service_ = std::make_unique<SearchServiceImpl>(*engine_, gate_, metrics_);
    worker_service_ = std::make_unique<WorkerServiceImpl>(*engine_, gate_, metrics_, Clock::Real());
    fleet_service_ = std::make_unique<FleetServiceImpl>(*engine_, gate_, metrics_);
    grpc::ServerBuilder builder;
    rpc::ConfigureServer(builder);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(search_service_.get());
    builder.RegisterService(worker_service_.get());
    builder.RegisterService(fleet_service_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    const auto channel = server_->InProcessChannel(grpc::ChannelArguments());
    searches_ = v1::SearchService::NewStub(channel);
    workers_ = v1::WorkerService::NewStub(channel);
    fleet_ = v1::FleetService::NewStub(channel);
  }
  // Stops like the controller. Returns how long the server took.
  std::chrono::milliseconds Stop() {
    if (server_ == nullptr) return std::chrono::milliseconds(0);
    const auto begin = std::chrono::steady_clock::now();
    engine_->Drain();
    server_->Shutdown(system_clock::now() + std::chrono::seconds(60));
    const auto end = std::chrono::steady_clock::now();
    server_.reset();
    engine_.reset();
    store_.reset();
    return std::chrono::duration_cast<std::chrono::milliseconds>(end - begin);
  }

  // The deadline of most calls in a test. It is long enough never to influence the result.
  static void SetDeadline(grpc::ClientContext& context, std::chrono::seconds time = std::chrono::seconds(60)) {
    context.set_deadline(system_clock::now() + time);
  }

  template <typename Stub, typename Request, typename Response>
  static grpc::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, Response* response) {
    grpc::ClientContext context;
    SetDeadline(context);
    return (stub.*method)(&context, request, response);
  }
  template <typename Request, typename Response>
  grpc::Status Searches(grpc::Status (v1::SearchService::StubInterface::*method)(grpc::ClientContext*, const Request&,
                                                                                 Response*),
                        const Request& request, Response* response) {
    return Call<v1::SearchService::StubInterface>(*searches_, method, request, response);
  }
  template <typename Request, typename Response>
  grpc::Status Workers(grpc::Status (v1::WorkerService::StubInterface::*method)(grpc::ClientContext*, const Request&,
                                                                                Response*),
                       const Request& request, Response* response) {
    return Call<v1::WorkerService::StubInterface>(*workers_, method, request, response);
  }

  grpc::Status Create(const v1::SearchSpec& spec, v1::Search* search) {
    v1::CreateSearchRequest request;
    *request.mutable_spec() = spec;
    v1::CreateSearchResponse response;
    const grpc::Status status = Searches(&v1::SearchService::StubInterface::CreateSearch, request, &response);
    *search = response.search();
    return status;
  }
  std::string Create(const v1::SearchSpec& spec) {
    v1::Search search;
    const grpc::Status status = Create(spec, &search);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return search.name();
  }
  v1::Search Get(const std::string& name) {
    v1::GetSearchRequest request;
    request.set_name(name);
    v1::GetSearchResponse response;
    const grpc::Status status = Searches(&v1::SearchService::StubInterface::GetSearch, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.search();
  }
  grpc::Status Cancel(const std::string& name) {
    v1::CancelSearchRequest request;
    request.set_name(name);
    v1::CancelSearchResponse response;
    return Searches(&v1::SearchService::StubInterface::CancelSearch, request, &response);
  }

  v1::LeaseTasksRequest LeaseRequest(const std::string& worker, int max_tasks, int wait_seconds = 0) {
    v1::LeaseTasksRequest request;
    request.mutable_worker()->set_id(worker);
    request.mutable_worker()->set_slots(max_tasks);
    request.set_max_tasks(max_tasks);
    request.set_request_id(worker + std::to_string(++requests_));
    request.mutable_max_wait()->set_seconds(wait_seconds);
    return request;
  }
  v1::LeaseTasksResponse Lease(const v1::LeaseTasksRequest& request) {
    v1::LeaseTasksResponse response;
    const grpc::Status status = Workers(&v1::WorkerService::StubInterface::LeaseTasks, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // Leases and completes `count` tasks.
  void Work(int count) {
    while (count > 0) {
      const v1::LeaseTasksResponse leased = Lease(LeaseRequest("w", std::min(count, 8)));
      ASSERT_GT(leased.tasks_size(), 0);
      v1::CompleteTasksRequest request;
      request.set_worker_id("w");
      for (const v1::Task& task : leased.tasks()) {
        v1::Completion& completion = *request.add_completions();
        completion.set_lease_token(task.lease_token());
        (*completion.mutable_result()->mutable_metrics())["accuracy"] =
            static_cast<double>(std::hash<std::string>()(task.architecture().id()) % 1000) / 1000;
      }
      v1::CompleteTasksResponse response;
      const grpc::Status status = Workers(&v1::WorkerService::StubInterface::CompleteTasks, request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      for (const v1::CompletionVerdict& verdict : response.verdicts()) {
        EXPECT_EQ(verdict.status(), v1::COMPLETION_STATUS_ACCEPTED) << verdict.message();
      }
      count -= leased.tasks_size();
    }
  }
  // Returns the value of a gauge without labels.
  double Gauge(const std::string& name) {
    for (const auto& family : metrics_.registry()->Collect()) {
      if (family.name == name) return family.metric.at(0).gauge.value;
    }
    ADD_FAILURE() << "no gauge " << name;
    return 0;
  }
  // Waits, because gauges follow with a delay.
  void AwaitGauge(const std::string& name, double value) {
    for (int i = 0; i < 600 && Gauge(name) != value; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(Gauge(name), value) << name;
  }

  TempDir temp_;
  ControllerMetrics metrics_;
  Gate gate_{nullptr, {}, metrics_};
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SearchServiceImpl> search_service_;
  std::unique_ptr<WorkerServiceImpl> worker_service_;
  std::unique_ptr<FleetServiceImpl> fleet_service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::SearchService::Stub> searches_;
  std::unique_ptr<v1::WorkerService::Stub> workers_;
  std::unique_ptr<v1::FleetService::Stub> fleet_;
  int requests_ = 0;
};

}  // namespace layernas
