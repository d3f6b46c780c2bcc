// A fake controller on a real port. A test decides every answer.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/rpc/transport.h"
#include "layernas/v1/worker_service.grpc.pb.h"

namespace layernas {

// `mutex` guards all fields. Tests access them with Await and With.
class FakeController final : public v1::WorkerService::Service {
 public:
  struct State {
    // The tasks to lease.
    std::deque<v1::Task> tasks;
    // That number of the next calls fails. Polls fail after the tasks were assigned, as if the
    // answer was lost.
    int lost_leases = 0;
    int failing_heartbeats = 0;
    int failing_completes = 0;
    int failing_releases = 0;
    std::set<std::string> cancel;
    Millis heartbeat_interval{20};
    std::map<std::string, v1::CompletionStatus> statuses;
    // These tokens get no verdict once.
    std::set<std::string> ignore_once;

    // The received calls.
    std::map<std::string, v1::LeaseTasksResponse> answers;
    std::vector<v1::LeaseTasksRequest> leases;
    std::vector<v1::HeartbeatRequest> heartbeats;
    std::vector<v1::Completion> completions;
    std::vector<std::string> released;
    int parked = 0;
  };

  FakeController() { Start(0); }
  ~FakeController() override { Stop(); }

  rpc::Address address() const { return {"127.0.0.1", port_}; }

  // Closes and reopens the port; the state stays.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_ = nullptr;
  }
  void Restart() { Start(port_); }

  template <typename F>
  auto With(F&& use) {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    return use(state_);
  }

  // Waits until the condition holds. Fails the test if it never does.
  void Await(const char* what, const std::function<bool(const State&)>& holds) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return holds(state_); })) << what;
  }

  grpc::Status LeaseTasks(grpc::ServerContext* context, const v1::LeaseTasksRequest* request,
                          v1::LeaseTasksResponse* response) override {
    std::unique_lock lock(mutex_);
    state_.leases.push_back(*request);
    const auto known = state_.answers.find(request->request_id());
    if (known != state_.answers.end()) {
      *response = known->second;
    } else {
      ++state_.parked;
      changed_.notify_all();
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(request->max_wait().seconds());
      while (state_.tasks.empty() && !stopping_ && !context->IsCancelled() &&
             std::chrono::steady_clock::now() < deadline) {
        changed_.wait_for(lock, std::chrono::milliseconds(10));
      }
      --state_.parked;
      while (!state_.tasks.empty() && response->tasks_size() < request->max_tasks()) {
        *response->add_tasks() = state_.tasks.front();
        state_.tasks.pop_front();
      }
      if (response->tasks_size() > 0) state_.answers[request->request_id()] = *response;
    }
    changed_.notify_all();
    return Lost(state_.lost_leases);
  }

  grpc::Status Heartbeat(grpc::ServerContext*, const v1::HeartbeatRequest* request,
                         v1::HeartbeatResponse* response) override {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    state_.heartbeats.push_back(*request);
    for (const v1::HeldLease& held : request->leases()) {
      v1::LeaseVerdict* verdict = response->add_verdicts();
      verdict->set_lease_token(held.lease_token());
      verdict->set_action(state_.cancel.count(held.lease_token()) != 0 ? v1::LEASE_ACTION_CANCEL
                                                                       : v1::LEASE_ACTION_CONTINUE);
    }
    response->mutable_interval()->set_seconds(state_.heartbeat_interval.count() / 1000);
    response->mutable_interval()->set_nanos(static_cast<int>(state_.heartbeat_interval.count() % 1000 * 1'000'000));
    return Lost(state_.failing_heartbeats);
  }

  grpc::Status CompleteTasks(grpc::ServerContext*, const v1::CompleteTasksRequest* request,
                             v1::CompleteTasksResponse* response) override {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    if (grpc::Status lost = Lost(state_.failing_completes); !lost.ok()) return lost;
    for (const v1::Completion& completion : request->completions()) {
      state_.completions.push_back(completion);
      if (state_.ignore_once.erase(completion.lease_token()) != 0) continue;
      v1::CompletionVerdict* verdict = response->add_verdicts();
      verdict->set_lease_token(completion.lease_token());
      const auto status = state_.statuses.find(completion.lease_token());
      verdict->set_status(status != state_.statuses.end() ? status->second : v1::COMPLETION_STATUS_ACCEPTED);
    }
    return grpc::Status::OK;
  }

  grpc::Status ReleaseTasks(grpc::ServerContext*, const v1::ReleaseTasksRequest* request,
                            v1::ReleaseTasksResponse*) override {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    if (grpc::Status lost = Lost(state_.failing_releases); !lost.ok()) return lost;
    state_.released.insert(state_.released.end(), request->lease_tokens().begin(), request->lease_tokens().end());
    return grpc::Status::OK;
  }

 private:
  static grpc::Status Lost(int& left) {
    if (left == 0) return grpc::Status::OK;
    --left;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
  }

  void Start(std::uint16_t port) {
    {
      std::lock_guard lock(mutex_);
      stopping_ = false;
    }
    grpc::ServerBuilder builder;
    rpc::ConfigureServer(builder);
    int chosen = 0;
    builder.AddListeningPort(rpc::Address{"127.0.0.1", port}.ToString(), grpc::InsecureServerCredentials(), &chosen);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    port_ = static_cast<std::uint16_t>(chosen);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  State state_;
  bool stopping_ = false;
  std::uint16_t port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace layernas
