// Serves a program's metrics to Prometheus.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/metrics/process_metrics.h"
#include "common/rpc/address.h"

namespace prometheus {
class Exposer;
}

namespace layernas {

// Serves http://ADDRESS/metrics until destroyed; the port is free at the latest 2 s after that.
class MetricsExposer {
 public:
  // Port 0 takes any free one. UNAVAILABLE names an address that can't be listened on. Adds
  // layernas_build_info{version} to the registry, which is kept alive, and serves the process's own metrics too.
  static absl::StatusOr<std::unique_ptr<MetricsExposer>> Start(const rpc::Address& address,
                                                               std::shared_ptr<prometheus::Registry> registry);
  ~MetricsExposer();

  // With the real port.
  const rpc::Address& address() const { return address_; }

 private:
  MetricsExposer(std::shared_ptr<prometheus::Registry> registry, std::shared_ptr<ProcessMetrics> process,
                 std::unique_ptr<prometheus::Exposer> exposer, rpc::Address address);

  // The exposer holds these weakly.
  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<ProcessMetrics> process_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  const rpc::Address address_;
};

}  // namespace layernas
