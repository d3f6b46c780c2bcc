#include "client/watch/watcher.h"

#include <chrono>
#include <optional>
#include <random>

#include "client/output/search_text.h"
#include "client/watch/status_poller.h"
#include "common/rpc/backoff.h"
#include "common/rpc/transport.h"

namespace layernas::client {
namespace {

// Maximum time of one call that waits for the controller.
constexpr std::chrono::seconds kAwaited{5};

// Returns whether to retry: the controller restarts, or a proxy closed the connection.
bool IsBrokenConnection(const grpc::Status& status) {
  switch (status.error_code()) {
    // The stream ended before the search.
    case grpc::StatusCode::OK:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return true;
    default:
      return false;
  }
}

class Watcher {
 public:
  Watcher(ControllerConnection& connection, const std::string& name, std::uint64_t after_sequence, WatchView& view,
          StopSignal& stop, std::chrono::nanoseconds patience)
      : connection_(connection),
        name_(name),
        sequence_(after_sequence),
        view_(view),
        stop_(stop),
        patience_(patience) {}

  absl::StatusOr<std::optional<v1::Search>> Run() {
    while (true) {
      const grpc::Status status = ReadStream();
      // Even if the search is final in the middle of the stream, later changes must be shown.
      if (status.ok() && IsFinal(last_.state())) return last_;
      if (stop_.requested()) return std::nullopt;
      if (!IsBrokenConnection(status)) return connection_.Explain(status);
      if (!away_) {
        away_ = true;
        away_since_ = std::chrono::steady_clock::now();
        view_.Notice((status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED
                          ? status.error_message()
                          : "the connection to the controller at " + connection_.address() + " was lost") +
                     "; retrying…");
      } else if (std::chrono::steady_clock::now() - away_since_ > patience_) {
        return connection_.Explain(status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer") : status);
      }
      if (stop_.WaitFor(backoff_.Next())) return std::nullopt;
      // Wait longer each time if the controller answers but rejects the watch. Reconnect at once if
      // it was unreachable.
      if (!AwaitController()) backoff_.Reset();
    }
  }

 private:
  // Returns false if the controller is unreachable during one call, or if a stop is requested.
  bool AwaitController() {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + kAwaited);
    const StopSignal::Callback cancel(stop_, [&context] { context.TryCancel(); });
    v1::GetSearchRequest request;
    request.set_name(name_);
    v1::GetSearchResponse response;
    const grpc::Status status = connection_.searches().GetSearch(&context, request, &response);
    return status.ok() || !IsBrokenConnection(status);
  }

  grpc::Status ReadStream() {
    grpc::ClientContext context;
    const StopSignal::Callback cancel(stop_, [&context] { context.TryCancel(); });
    v1::WatchSearchRequest request;
    request.set_name(name_);
    request.set_after_sequence(sequence_);
    const auto stream = connection_.searches().WatchSearch(&context, request);
    stream->WaitForInitialMetadata();
    if (context.GetServerInitialMetadata().contains(rpc::kWatchKey)) NoteConnection();
    v1::WatchSearchResponse change;
    while (stream->Read(&change)) {
      // A proxy may have dropped the metadata.
      NoteConnection();
      backoff_.Reset();
      sequence_ = change.sequence();
      if (change.has_search()) last_ = change.search();
      if (change.has_snapshot()) last_ = change.snapshot();
      view_.Show(change);
      if (view_.OutputLost()) stop_.Request();
    }
    return stream->Finish();
  }

  void NoteConnection() {
    if (!away_) return;
    away_ = false;
    view_.Notice("reconnected");
  }

  ControllerConnection& connection_;
  const std::string name_;
  std::uint64_t sequence_;
  WatchView& view_;
  StopSignal& stop_;
  const std::chrono::nanoseconds patience_;
  v1::Search last_;
  bool away_ = false;
  SteadyTime away_since_;
  rpc::Backoff backoff_{Millis(250), Millis(5000), std::random_device()()};
};

}  // namespace

absl::StatusOr<std::optional<v1::Search>> Watch(ControllerConnection& connection, const std::string& name,
                                                std::uint64_t after_sequence, WatchView& view, StopSignal& stop,
                                                std::chrono::nanoseconds patience) {
  std::optional<StatusPoller> poller;
  if (view.WantsStatus()) poller.emplace(connection, name, view);
  absl::StatusOr<std::optional<v1::Search>> result =
      Watcher(connection, name, after_sequence, view, stop, patience).Run();
  poller.reset();
  view.End();
  return result;
}

}  // namespace layernas::client
