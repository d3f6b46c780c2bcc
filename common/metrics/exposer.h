// Serves a program's metrics to Prometheus.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/metrics/http_server.h"
#include "common/rpc/address.h"

namespace layernas {

// Serves http://ADDRESS/metrics until destroyed, which frees the port.
class MetricsExposer {
 public:
  // Starts the server. The host is a name, an IPv4 or an IPv6 address; port 0 selects a free port.
  // Adds layernas_build_info to the registry and keeps the registry alive. Also serves the metrics
  // of the process and the expiry time of its TLS certificate; without a certificate,
  // `certificate_file` is empty. UNAVAILABLE names the address and says why the server cannot
  // listen on it.
  static absl::StatusOr<std::unique_ptr<MetricsExposer>> Start(const rpc::Address& address,
                                                               std::shared_ptr<prometheus::Registry> registry,
                                                               const std::string& certificate_file = {});

  // Contains the actual port.
  const rpc::Address& address() const { return address_; }

 private:
  MetricsExposer(std::unique_ptr<HttpServer> server, rpc::Address address);

  const std::unique_ptr<HttpServer> server_;
  const rpc::Address address_;
};

}  // namespace layernas
