// Serves a program's metrics to Prometheus.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/metrics/http_server.h"
#include "common/rpc/address.h"

namespace layernas {

// Serves http://ADDRESS/metrics until destroyed; the port is free then.
class MetricsExposer {
 public:
  // Takes a name, an IPv4 or an IPv6 address; port 0 takes any free one. UNAVAILABLE says which address can't be
  // listened on, and why. Adds layernas_build_info{version} to the registry, which is kept alive, and serves the
  // process's own metrics too, and the end of the certificate that it shows. Empty: it shows none.
  static absl::StatusOr<std::unique_ptr<MetricsExposer>> Start(const rpc::Address& address,
                                                               std::shared_ptr<prometheus::Registry> registry,
                                                               const std::string& certificate_file = {});

  // With the real port.
  const rpc::Address& address() const { return address_; }

 private:
  MetricsExposer(std::unique_ptr<HttpServer> server, rpc::Address address);

  const std::unique_ptr<HttpServer> server_;
  const rpc::Address address_;
};

}  // namespace layernas
