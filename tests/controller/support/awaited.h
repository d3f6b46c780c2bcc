// An answer of the engine that a test waits for.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "controller/engine/views.h"

namespace layernas {

// Copies share the answer. Thread-safe.
template <typename T>
class Awaited {
 public:
  // Returns a reply for one call.
  Reply<T> reply() const {
    return [state = state_](absl::StatusOr<T> value) {
      const std::lock_guard lock(state->mutex);
      EXPECT_FALSE(state->value.has_value()) << "answered twice";
      state->value = std::move(value);
      state->changed.notify_all();
    };
  }

  bool Answered() const {
    const std::lock_guard lock(state_->mutex);
    return state_->value.has_value();
  }

  // Returns DEADLINE_EXCEEDED if there is no answer within a minute.
  absl::StatusOr<T> Get() const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, std::chrono::minutes(1), [this] { return state_->value.has_value(); });
    if (!state_->value) return absl::DeadlineExceededError("no answer");
    return *state_->value;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<absl::StatusOr<T>> value;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// `call` gets the reply as its argument.
template <typename T, typename Call>
absl::StatusOr<T> Await(Call call) {
  const Awaited<T> awaited;
  call(awaited.reply());
  return awaited.Get();
}

}  // namespace layernas
