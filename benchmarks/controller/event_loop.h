// Calls to a controller from one thread, cheap enough to share the machine with the controller that is measured:
// messages go in and out as bytes, and what comes back is handled where the loop runs.
#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/base/clock.h"

namespace layernas::bench {

// Not thread-safe; callbacks run in RunUntil() and may call everything but RunUntil().
class EventLoop {
 public:
  using Done = std::function<void(const grpc::Status& status, grpc::ByteBuffer& answer)>;

  // Makes that many TCP connections, each when it is first used.
  EventLoop(const std::string& address, int connections);
  // Cancels what is under way.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Sends a unary call: `method` like "/layernas.v1.WorkerService/LeaseTasks", `request` its serialized message.
  void Call(int connection, const std::string& method, const std::string& request, Millis timeout, Done done);
  // Opens a stream of answers; `on_message` is called for each, `ended` at the end of the stream.
  void Stream(int connection, const std::string& method, const std::string& request,
              std::function<void(grpc::ByteBuffer& answer)> on_message, std::function<void()> ended);
  // Calls `run` at that time.
  void At(SteadyTime when, std::function<void()> run);

  // Handles what happens until done() holds (asked after each event) or the deadline. Returns whether done() holds.
  bool RunUntil(SteadyTime deadline, const std::function<bool()>& done);
  void RunFor(Millis time);

 private:
  // What the completion queue's tags point to.
  class Event;
  class UnaryCall;
  class StreamCall;

  void HandleEvent(Event* event, bool ok);

  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  grpc::CompletionQueue queue_;
  std::unordered_set<Event*> events_;
  std::multimap<SteadyTime, std::function<void()>> timers_;
};

}  // namespace layernas::bench
