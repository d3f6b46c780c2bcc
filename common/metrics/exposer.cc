#include "common/metrics/exposer.h"

#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/build_info/build_info.h"
#include "common/metrics/certificate_metrics.h"
#include "common/metrics/process_metrics.h"

namespace layernas {
namespace {

std::string Serialize(const std::vector<std::shared_ptr<prometheus::Collectable>>& sources) {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& source : sources) {
    std::vector<prometheus::MetricFamily> more = source->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(families));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsExposer>> MetricsExposer::Start(const rpc::Address& address,
                                                                      std::shared_ptr<prometheus::Registry> registry,
                                                                      const std::string& certificate_file) {
  const std::vector<std::shared_ptr<prometheus::Collectable>> sources = {
      registry, std::make_shared<ProcessMetrics>(), std::make_shared<CertificateMetrics>(certificate_file)};
  auto server = HttpServer::Start(address, "/metrics", "text/plain; version=0.0.4; charset=utf-8",
                                  [sources] { return Serialize(sources); });
  if (!server.ok()) {
    return absl::UnavailableError("cannot serve metrics on " + address.ToString() + ": " +
                                  std::string(server.status().message()) + "; choose another --metrics-listen");
  }
  prometheus::BuildGauge()
      .Name("layernas_build_info")
      .Help("Always 1; the labels describe the build of the program.")
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
