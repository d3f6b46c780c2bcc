// Calls to a controller from one thread. They are cheap enough to share the machine with the
// measured controller: messages are bytes, and answers are handled on the thread of the loop.
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

// Not thread-safe. Callbacks run in RunUntil() and may call everything except RunUntil().
class EventLoop {
 public:
  using Done = std::function<void(const grpc::Status& status, grpc::ByteBuffer& answer)>;

  // Makes `connections` TCP connections, each at its first use.
  EventLoop(const std::string& address, int connections);
  // Cancels everything in progress.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Sends a unary call. `method` is a name such as "/layernas.v1.WorkerService/LeaseTasks", and
  // `request` is its serialized message.
  void Call(int connection, const std::string& method, const std::string& request, Millis timeout, Done done);
  // Opens a stream of answers. Calls `on_message` for each answer and `ended` at the end of the
  // stream.
  void Stream(int connection, const std::string& method, const std::string& request,
              std::function<void(grpc::ByteBuffer& answer)> on_message, std::function<void()> ended);
  // Calls `run` at that time.
  void At(SteadyTime when, std::function<void()> run);

  // Handles events until done() is true (checked after each event) or the deadline has passed.
  // Returns whether done() is true.
  bool RunUntil(SteadyTime deadline, const std::function<bool()>& done);
  void RunFor(Millis time);

 private:
  // The target of the completion queue's tags.
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
