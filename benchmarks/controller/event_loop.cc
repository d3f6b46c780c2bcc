#include "benchmarks/controller/event_loop.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <utility>

#include "common/base/random.h"

namespace layernas::bench {
namespace {

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// Connects like a worker (common/rpc/transport.cc), but shares no connection between channels.
std::shared_ptr<grpc::Channel> Connect(const std::string& address, RandomStream& random) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200 + static_cast<int>(random.Below(801)));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000 + static_cast<int>(random.Below(3'001)));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(16 << 20);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

class EventLoop::Event {
 public:
  virtual ~Event() = default;
  // Returns false after the last event.
  virtual bool Handle(bool ok) = 0;
  // Ends the event soon, without a callback.
  void Cancel() {
    cancelled_ = true;
    context_.TryCancel();
  }

 protected:
  bool cancelled_ = false;
  grpc::ClientContext context_;
};

class EventLoop::UnaryCall final : public Event {
 public:
  UnaryCall(grpc::GenericStub& stub, grpc::CompletionQueue& queue, const std::string& method,
            const std::string& request, Millis timeout, Done done)
      : done_(std::move(done)) {
    context_.set_deadline(std::chrono::system_clock::now() + timeout);
    reader_ = stub.PrepareUnaryCall(&context_, method, ToBuffer(request), &queue);
    reader_->StartCall();
    reader_->Finish(&answer_, &status_, static_cast<Event*>(this));
  }

  bool Handle(bool) override {
    if (!cancelled_) done_(status_, answer_);
    return false;
  }

 private:
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
  const Done done_;
};

class EventLoop::StreamCall final : public Event {
 public:
  StreamCall(grpc::GenericStub& stub, grpc::CompletionQueue& queue, const std::string& method,
             const std::string& request, std::function<void(grpc::ByteBuffer&)> on_message, std::function<void()> ended)
      : request_(ToBuffer(request)), on_message_(std::move(on_message)), ended_(std::move(ended)) {
    stream_ = stub.PrepareCall(&context_, method, &queue);
    stream_->StartCall(static_cast<Event*>(this));
  }

  bool Handle(bool ok) override {
    switch (step_) {
      case Step::kStart:
        step_ = Step::kWrite;
        if (ok) {
          stream_->WriteLast(request_, {}, static_cast<Event*>(this));
          return true;
        }
        break;
      case Step::kWrite:
        step_ = Step::kRead;
        if (ok) {
          stream_->Read(&answer_, static_cast<Event*>(this));
          return true;
        }
        break;
      case Step::kRead:
        if (ok) {
          if (!cancelled_) on_message_(answer_);
          stream_->Read(&answer_, static_cast<Event*>(this));
          return true;
        }
        break;
      case Step::kFinish:
        if (!cancelled_) ended_();
        return false;
    }
    step_ = Step::kFinish;
    stream_->Finish(&status_, static_cast<Event*>(this));
    return true;
  }

 private:
  enum class Step { kStart, kWrite, kRead, kFinish };

  Step step_ = Step::kStart;
  const grpc::ByteBuffer request_;
  const std::function<void(grpc::ByteBuffer&)> on_message_;
  const std::function<void()> ended_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
};

EventLoop::EventLoop(const std::string& address, int connections) {
  RandomStream random({1});
  for (int i = 0; i < connections; ++i) {
    stubs_.push_back(std::make_unique<grpc::GenericStub>(Connect(address, random)));
  }
}

EventLoop::~EventLoop() {
  for (Event* event : events_) event->Cancel();
  void* tag = nullptr;
  bool ok = false;
  while (!events_.empty() && queue_.Next(&tag, &ok)) HandleEvent(static_cast<Event*>(tag), ok);
  queue_.Shutdown();
  while (queue_.Next(&tag, &ok)) {
  }
}

void EventLoop::HandleEvent(Event* event, bool ok) {
  if (event->Handle(ok)) return;
  events_.erase(event);
  delete event;
}

void EventLoop::Call(int connection, const std::string& method, const std::string& request, Millis timeout, Done done) {
  events_.insert(new UnaryCall(*stubs_[connection], queue_, method, request, timeout, std::move(done)));
}

void EventLoop::Stream(int connection, const std::string& method, const std::string& request,
                       std::function<void(grpc::ByteBuffer&)> on_message, std::function<void()> ended) {
  events_.insert(new StreamCall(*stubs_[connection], queue_, method, request, std::move(on_message), std::move(ended)));
}

void EventLoop::At(SteadyTime when, std::function<void()> run) { timers_.emplace(when, std::move(run)); }

bool EventLoop::RunUntil(SteadyTime deadline, const std::function<bool()>& done) {
  while (!done()) {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now >= deadline) return false;
    if (!timers_.empty() && timers_.begin()->first <= now) {
      const std::function<void()> run = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      run();
      continue;
    }
    const SteadyTime wake = timers_.empty() ? deadline : std::min(deadline, timers_.begin()->first);
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + (wake - now)) !=
        grpc::CompletionQueue::GOT_EVENT) {
      continue;
    }
    HandleEvent(static_cast<Event*>(tag), ok);
  }
  return true;
}

void EventLoop::RunFor(Millis time) {
  RunUntil(std::chrono::steady_clock::now() + time, [] { return false; });
}

}  // namespace layernas::bench
