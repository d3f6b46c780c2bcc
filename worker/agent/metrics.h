// What a worker counts.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

namespace layernas {

// Thread-safe; refers to the registry's metrics, so that the registry must outlive it.
struct WorkerMetrics {
  WorkerMetrics(prometheus::Registry& registry, int slots, const std::map<std::string, std::string>& labels);

  prometheus::Gauge& slots_busy;
  prometheus::Counter& succeeded;
  prometheus::Counter& infeasible;
  prometheus::Counter& failed;
  prometheus::Counter& cancelled;
  // By what was asked for.
  prometheus::Histogram& evaluate_seconds;
  prometheus::Histogram& train_seconds;
  prometheus::Histogram& measure_seconds;
  prometheus::Counter& heartbeat_failures;
  prometheus::Counter& rpc_retries;
};

}  // namespace layernas
