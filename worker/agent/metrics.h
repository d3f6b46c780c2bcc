// The metrics of a worker.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

namespace layernas {

// Thread-safe. It refers to metrics of the registry, so the registry must outlive it.
struct WorkerMetrics {
  WorkerMetrics(prometheus::Registry& registry, int slots, const std::map<std::string, std::string>& labels);

  prometheus::Gauge& slots_busy;
  prometheus::Counter& succeeded;
  prometheus::Counter& infeasible;
  prometheus::Counter& failed;
  prometheus::Counter& cancelled;
  // The durations of evaluations, by the work that was requested.
  prometheus::Histogram& evaluate_seconds;
  prometheus::Histogram& train_seconds;
  prometheus::Histogram& measure_seconds;
  prometheus::Counter& heartbeat_failures;
  prometheus::Counter& rpc_retries;
};

}  // namespace layernas
