// A search with two layers, a measured cost, and a clock that tests set.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "controller/core/search.h"

namespace layernas::core {

constexpr auto kAccepted = CompletionVerdict::kAccepted;
constexpr auto kRefused = CompletionVerdict::kRefused;
constexpr auto kInvalid = CompletionVerdict::kInvalid;

// Random search over nine architectures.
inline SearchConfig SmallConfig() {
  SearchConfig config;
  config.space.layers = {{"a", 3, 0, {}}, {"b", 3, 0, {}}};
  config.reward_metric = "accuracy";
  config.cost_metric = "latency_ms";
  config.targets = {5, 2};
  config.strategy = RandomOptions{};
  return config;
}

inline Metrics Result(double accuracy, double latency) { return {{"accuracy", accuracy}, {"latency_ms", latency}}; }

class SearchTest : public ::testing::Test {
 protected:
  static constexpr UnixMillis kStart = 1'000'000;

  Instant Now() const { return now_; }
  void Pass(Millis time) {
    now_.steady += time;
    now_.unix_ms += time.count();
  }
  // Leases a candidate, which must exist. Returns its number.
  std::uint64_t Lease(Search& search, const std::string& worker = "w1") {
    const Candidate* candidate = search.Lease(worker, "request", now_);
    EXPECT_NE(candidate, nullptr);
    return candidate == nullptr ? 0 : candidate->number;
  }
  CompletionVerdict::Status Complete(Search& search, std::uint64_t number, int attempt, const Metrics& metrics,
                                     const std::string& worker = "w1") {
    return search.Complete(number, attempt, worker, {metrics, {}, {}}, now_).status;
  }
  CompletionVerdict::Status Fail(Search& search, std::uint64_t number, int attempt,
                                 FailureKind kind = FailureKind::kEvaluator, const std::string& message = "crashed") {
    return search.Fail(number, attempt, "w1", kind, message, now_).status;
  }
  // Restores the search from its stored data, as a restart does.
  static Search Restarted(const Search& search) {
    return Search(search.config(), search.status(), search.candidates());
  }

  Instant now_{SteadyTime(Millis(500'000)), kStart};
};

}  // namespace layernas::core
