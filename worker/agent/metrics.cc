#include "worker/agent/metrics.h"

#include <map>
#include <string>

namespace layernas {
namespace {

prometheus::Gauge& Gauge(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Counter& Counter(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

// If the family is already registered, Register() returns it.
prometheus::Counter& Evaluations(prometheus::Registry& registry, const std::string& outcome) {
  return prometheus::BuildCounter()
      .Name("layernas_worker_evaluations_total")
      .Help("Evaluations that ended, by outcome.")
      .Register(registry)
      .Add({{"outcome", outcome}});
}

prometheus::Histogram& Seconds(prometheus::Registry& registry, const std::string& work) {
  return prometheus::BuildHistogram()
      .Name("layernas_worker_evaluation_seconds")
      .Help("Duration of evaluations, whatever their outcome, by their work.")
      .Register(registry)
      .Add({{"work", work}},
           prometheus::Histogram::BucketBoundaries{0.001, 0.01, 0.1, 1, 5, 15, 60, 300, 900, 3600, 14400});
}

}  // namespace

WorkerMetrics::WorkerMetrics(prometheus::Registry& registry, int slots,
                             const std::map<std::string, std::string>& labels)
    : slots_busy(Gauge(registry, "layernas_worker_slots_busy", "Evaluations running now.")),
      succeeded(Evaluations(registry, "succeeded")),
      infeasible(Evaluations(registry, "infeasible")),
      failed(Evaluations(registry, "failed")),
      cancelled(Evaluations(registry, "cancelled")),
      evaluate_seconds(Seconds(registry, "evaluate")),
      train_seconds(Seconds(registry, "train")),
      measure_seconds(Seconds(registry, "measure")),
      heartbeat_failures(Counter(registry, "layernas_worker_heartbeat_failures_total", "Heartbeats that failed.")),
      rpc_retries(Counter(registry, "layernas_worker_rpc_retries_total",
                          "Failed calls to the controller, which the worker retries.")) {
  Gauge(registry, "layernas_worker_slots", "Evaluations that may run at once.").Set(slots);
  auto& label_info = prometheus::BuildGauge()
                         .Name("layernas_worker_label_info")
                         .Help("Always 1; one time series per label of the worker.")
                         .Register(registry);
  for (const auto& [label, value] : labels) label_info.Add({{"label", label}, {"value", value}}).Set(1);
}

}  // namespace layernas
