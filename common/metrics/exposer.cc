#include "common/metrics/exposer.h"

#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/build_info/build_info.h"
#include "common/metrics/process_metrics.h"

namespace layernas {
namespace {

std::string Serialize(const prometheus::Registry& registry) {
  std::vector<prometheus::MetricFamily> families = registry.Collect();
  std::vector<prometheus::MetricFamily> process = ProcessMetrics().Collect();
  std::move(process.begin(), process.end(), std::back_inserter(families));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsExposer>> MetricsExposer::Start(const rpc::Address& address,
                                                                      std::shared_ptr<prometheus::Registry> registry) {
  auto server = HttpServer::Start(address, "/metrics", "text/plain; version=0.0.4; charset=utf-8",
                                  [registry] { return Serialize(*registry); });
  if (!server.ok()) {
    return absl::UnavailableError("can't serve metrics on " + address.ToString() + ": " +
                                  std::string(server.status().message()) + "; choose another --metrics-listen");
  }
  prometheus::BuildGauge()
      .Name("layernas_build_info")
      .Help("Always 1; the labels say what the program was built from.")
      .Register(*registry)
      .Add({{"version", std::string(Build().version)},
            {"commit", std::string(Build().commit)},
            {"build_type", std::string(Build().build_type)}})
      .Set(1);
  rpc::Address real{address.host, (*server)->port()};
  return std::unique_ptr<MetricsExposer>(new MetricsExposer(*std::move(server), std::move(real)));
}

MetricsExposer::MetricsExposer(std::unique_ptr<HttpServer> server, rpc::Address address)
    : server_(std::move(server)), address_(std::move(address)) {}

}  // namespace layernas
