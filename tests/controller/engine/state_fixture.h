// The books of an engine on a store in memory, without the engine. For tests of the parts that use
// them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/engine/dispatcher.h"
#include "controller/engine/engine_state.h"
#include "controller/storage/memory_store.h"

namespace layernas {

class StateTest : public ::testing::Test {
 protected:
  static constexpr UnixMillis kStart = 1'700'000'000'000;

  StateTest() {
    state_.now = {SteadyTime(Millis{1'000'000}), kStart};
    state_.store_time.time = kStart;
    state_.lineage = 7;
  }

  void Pass(Millis time) {
    state_.now.steady += time;
    state_.now.unix_ms += time.count();
    state_.store_time.time += time.count();
  }

  // Random search over nine architectures, with costs per layer.
  static core::SearchConfig Config() {
    core::SearchConfig config;
    config.space.layers = {{"a", 3, 0, {1, 2, 3}}, {"b", 3, 0, {1, 2, 3}}};
    config.reward_metric = "accuracy";
    config.cost_metric = "latency_ms";
    config.strategy = core::RandomOptions{};
    return config;
  }
  SearchEntry& Add(const core::SearchConfig& config = Config()) {
    SearchEntry entry;
    entry.stored.id = state_.searches.TakeId();
    entry.stored.slug = "s";
    entry.name = SearchName("s", entry.stored.id);
    entry.spec = std::make_shared<const std::string>("spec");
    entry.search = std::make_shared<core::Search>(config, state_.now.unix_ms);
    return state_.searches.Add(std::move(entry));
  }
  const core::Candidate& Lease(SearchEntry& entry, const std::string& worker = "w") {
    const core::Candidate* leased = entry.search->Lease(worker, "r", state_.now);
    EXPECT_NE(leased, nullptr);
    return *leased;
  }
  void Complete(SearchEntry& entry, const core::Candidate& candidate, double accuracy,
                core::AttemptResult result = {}) {
    result.metrics.Set("accuracy", accuracy);
    const auto verdict =
        entry.search->Complete(candidate.number, candidate.attempt, candidate.worker, std::move(result), state_.now);
    EXPECT_EQ(verdict.status, core::CompletionVerdict::kAccepted) << verdict.message;
  }

  WorkerInfo Hear(const std::string& id, const std::map<std::string, std::string>& labels = {}) {
    WorkerInfo worker;
    worker.id = id;
    worker.labels = labels;
    state_.workers.Hear(worker, state_.now.steady);
    return worker;
  }

  storage::MemoryStore store_{1};
  ControllerMetrics metrics_;
  EngineState state_{store_, {Millis{30'000}, 10, 2, 2, Millis{0}}, metrics_};
};

}  // namespace layernas
