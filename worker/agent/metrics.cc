#include "worker/agent/metrics.h"

#include <string>

namespace layernas {
namespace {

prometheus::Gauge& Gauge(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Counter& Counter(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

// Registering a family again returns the same one.
prometheus::Counter& Evaluations(prometheus::Registry& registry, const std::string& outcome) {
  return prometheus::BuildCounter()
      .Name("layernas_worker_evaluations_total")
      .Help("Evaluations that ended, by how.")
      .Register(registry)
      .Add({{"outcome", outcome}});
}

}  // namespace

WorkerMetrics::WorkerMetrics(prometheus::Registry& registry, int slots)
    : slots_busy(Gauge(registry, "layernas_worker_slots_busy", "Evaluations running now.")),
      succeeded(Evaluations(registry, "succeeded")),
      infeasible(Evaluations(registry, "infeasible")),
      failed(Evaluations(registry, "failed")),
      cancelled(Evaluations(registry, "cancelled")),
      evaluation_seconds(
          prometheus::BuildHistogram()
              .Name("layernas_worker_evaluation_seconds")
              .Help("Time from the start of an evaluation to its end, whatever that was.")
              .Register(registry)
              .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.01, 0.1, 1, 5, 15, 60, 300, 900, 3600, 14400})),
      heartbeat_failures(Counter(registry, "layernas_worker_heartbeat_failures_total",
                                 "Heartbeats that the controller did not take.")),
      rpc_retries(Counter(registry, "layernas_worker_rpc_retries_total",
                          "Calls to the controller that failed and are made again.")) {
  Gauge(registry, "layernas_worker_slots", "Evaluations that may run at once.").Set(slots);
}

}  // namespace layernas
