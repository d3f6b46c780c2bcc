#include "controller/service/watch.h"

#include <google/protobuf/util/time_util.h>

#include <deque>
#include <optional>
#include <utility>

#include "common/base/mutex.h"
#include "common/rpc/status.h"
#include "common/rpc/transport.h"
#include "controller/service/convert.h"

namespace layernas {
namespace {

constexpr std::size_t kChangesPerRead = 500;

// Reads the feed page by page and writes one message at a time. When everything is written, it
// waits for the next commit. At most one read or one write is in progress at any time (busy_).
//
// Finish() may delete this object at once, on another thread: it is called last, without the mutex.
class Watcher final : public grpc::ServerWriteReactor<v1::WatchSearchResponse> {
 public:
  Watcher(Engine& engine, std::shared_ptr<SpecCache> specs, grpc::CallbackServerContext& context,
          const v1::WatchSearchRequest& request, std::function<absl::Status()> admit, OpenCalls::Place place)
      : engine_(engine),
        specs_(std::move(specs)),
        context_(context),
        name_(request.name()),
        admit_(std::move(admit)),
        place_(std::move(place)),
        position_(request.after_sequence()) {
    if (const auto parsed = ParseSearchName(name_)) {
      watch_ = engine_.Watch(parsed->id,
                             [this] { Step([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { changed_ = true; }); });
    }
    MutexLock lock(mutex_);
    Read();
  }

  void OnWriteDone(bool ok) override {
    Step([this, ok]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      busy_ = false;
      // Clear() would keep the memory.
      v1::WatchSearchResponse().Swap(&current_);
      if (!ok) cancelled_ = true;
    });
  }

  void OnCancel() override {
    Step([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { cancelled_ = true; });
  }

  void OnDone() override {
    if (watch_ != 0) engine_.Unwatch(watch_);
    delete this;
  }

 private:
  // What to write next: a change, or the fact that changes up to its sequence number are missing.
  struct Pending {
    bool snapshot = false;
    storage::StoredChange change;
  };

  void OnRead(const absl::StatusOr<ChangesView>& view) {
    // Called here because watches are woken on a thread that must not wait.
    const absl::Status status = view.ok() ? admit_() : view.status();
    Step([this, &view, &status]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      busy_ = false;
      if (!status.ok()) {
        failure_ = status;
        return;
      }
      if (!open_) SayThatItIsOpen();
      Queue(*view);
      more_ = position_ < view->search.sequence;
      ended_ = core::IsFinal(view->search.state);
    });
  }

  // Records an event, then continues with the next step.
  template <typename Note>
  void Step(Note note) {
    std::optional<absl::Status> end;
    {
      MutexLock lock(mutex_);
      note();
      if (!busy_ && !finished_) end = GoOn();
      finished_ = finished_ || end.has_value();
    }
    if (end) Finish(rpc::ToGrpc(*end));
  }

  // Starts the next write or read. Returns how to finish, if it is time to finish.
  std::optional<absl::Status> GoOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (cancelled_) return absl::CancelledError("the caller is gone");
    if (!failure_.ok()) return failure_;
    if (!pending_.empty()) {
      Fill(pending_.front());
      pending_.pop_front();
      busy_ = true;
      StartWrite(&current_);
    } else if (more_ || changed_) {
      Read();
    } else if (ended_) {
      return absl::OkStatus();
    }
    return std::nullopt;
  }

  // Does not wait for the first write: after a restart the next change may take hours.
  void SayThatItIsOpen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    open_ = true;
    context_.AddInitialMetadata(rpc::kWatchKey, rpc::kWatchOpen);
    StartSendInitialMetadata();
  }

  void Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    busy_ = true;
    changed_ = false;
    engine_.ReadChanges(name_, position_, kChangesPerRead,
                        [this](const absl::StatusOr<ChangesView>& view) { OnRead(view); });
  }

  void Queue(const ChangesView& view) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    search_ = view.search;
    if (view.gap) {
      position_ = view.changes.empty() ? view.search.sequence : view.changes.front().sequence - 1;
      pending_.push_back({true, {position_, 0, std::nullopt}});
    }
    for (const storage::StoredChange& change : view.changes) {
      pending_.push_back({false, change});
      position_ = change.sequence;
    }
  }

  // One message at a time, because a search with its spec can be large.
  void Fill(const Pending& pending) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const storage::StoredChange& change = pending.change;
    current_.Clear();
    current_.set_sequence(change.sequence);
    // Fetched from the cache each time, so that a watch that waits for its reader holds no spec.
    const std::shared_ptr<const TaskEncoder> spec = specs_->Get(search_.spec);
    if (pending.snapshot) {
      *current_.mutable_snapshot() = ToWire(search_, spec->spec());
      *current_.mutable_time() = google::protobuf::util::TimeUtil::GetCurrentTime();
      return;
    }
    *current_.mutable_time() = ToTimestamp(change.time);
    if (change.candidate) {
      *current_.mutable_candidate() = ToWire(*change.candidate, spec->spec(), search_.name);
    } else {
      *current_.mutable_search() = ToWire(search_, spec->spec());
    }
  }

  Engine& engine_;
  const std::shared_ptr<SpecCache> specs_;
  grpc::CallbackServerContext& context_;
  const std::string name_;
  const std::function<absl::Status()> admit_;
  const OpenCalls::Place place_;
  Engine::WatchId watch_ = 0;

  Mutex mutex_;
  // Sequence number of the last queued change.
  std::uint64_t position_ ABSL_GUARDED_BY(mutex_);
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  // As of the last read.
  SearchView search_ ABSL_GUARDED_BY(mutex_);
  v1::WatchSearchResponse current_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  // True until the first read has come back.
  bool busy_ ABSL_GUARDED_BY(mutex_) = true;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  bool more_ ABSL_GUARDED_BY(mutex_) = false;
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

class Refusal final : public grpc::ServerWriteReactor<v1::WatchSearchResponse> {
 public:
  explicit Refusal(const absl::Status& status) { Finish(rpc::ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerWriteReactor<v1::WatchSearchResponse>* StartWatch(Engine& engine, std::shared_ptr<SpecCache> specs,
                                                              grpc::CallbackServerContext& context,
                                                              const v1::WatchSearchRequest& request,
                                                              std::function<absl::Status()> admit,
                                                              OpenCalls::Place place) {
  return new Watcher(engine, std::move(specs), context, request, std::move(admit), std::move(place));
}

grpc::ServerWriteReactor<v1::WatchSearchResponse>* RefuseWatch(const absl::Status& status) {
  return new Refusal(status);
}

}  // namespace layernas
