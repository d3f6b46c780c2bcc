// Work that the engine does all the time must not grow with the fleet.
#include <gtest/gtest.h>

#include <string>

#include "controller/spec/core_config.h"
#include "tests/controller/support/cpu_time.h"
#include "tests/controller/support/hand_engine.h"
#include "tests/controller/support/specs.h"

namespace layernas {
namespace {

// Returns the seconds for reading the gauges of 8 searches 200 times. The searches require workers
// of `device`; there are 20,000 workers of the device "gpu".
double GaugesOf(const std::string& device) {
  storage::MemoryStore store(1);
  FakeClock clock;
  ControllerMetrics metrics;
  const auto engine = Engine::CreateByHand(
      store, {}, [](std::string_view spec) { return ToCoreConfig(spec); }, metrics, clock, DirectThreads(store));
  EXPECT_TRUE(engine.ok());
  Engine& run = **engine;
  for (int i = 0; i < 8; ++i) {
    v1::SearchSpec spec = RandomSpec("s", 10);
    (*spec.mutable_evaluation()->mutable_require())["device"] = device;
    run.CreateSearch({spec.name(), spec.SerializeAsString(), *ToCoreConfig(spec.SerializeAsString()), ""},
                     [](const absl::StatusOr<SearchView>& view) { EXPECT_TRUE(view.ok()); });
  }
  for (int i = 0; i < 20'000; ++i) {
    WorkerInfo worker;
    worker.id = "w" + std::to_string(i);
    worker.labels = {{"device", "gpu"}, {"zone", "a"}};
    run.Heartbeat(worker, {}, [](const auto& verdicts) { EXPECT_TRUE(verdicts.ok()); });
  }
  TakeTurns(run);
  return CpuSecondsOf([&] {
    for (int i = 0; i < 200; ++i) {
      clock.Pass(Millis{200});
      TakeTurns(run);
    }
  });
}

TEST(Gauges, OfSearchesThatWaitDoNotLookAtEachWorker) {
  const double fitting = GaugesOf("gpu");
  const double waiting = GaugesOf("tpu");
  EXPECT_LT(waiting, 5 * fitting + 0.05);
}

}  // namespace
}  // namespace layernas
