#include "common/metrics/exposer.h"

#include <prometheus/exposer.h>
#include <prometheus/gauge.h>

#include <exception>
#include <thread>
#include <utility>

#include "common/build_info/build_info.h"

namespace layernas {

absl::StatusOr<std::unique_ptr<MetricsExposer>> MetricsExposer::Start(const rpc::Address& address,
                                                                      std::shared_ptr<prometheus::Registry> registry) {
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(address.ToString());
    exposer->RegisterCollectable(registry);
    auto process = std::make_shared<ProcessMetrics>();
    exposer->RegisterCollectable(process);
    prometheus::BuildGauge()
        .Name("layernas_build_info")
        .Help("Always 1; the labels say what the program was built from.")
        .Register(*registry)
        .Add({{"version", std::string(Build().version)},
              {"commit", std::string(Build().commit)},
              {"build_type", std::string(Build().build_type)}})
        .Set(1);
    rpc::Address real{address.host, static_cast<std::uint16_t>(exposer->GetListeningPorts().at(0))};
    return std::unique_ptr<MetricsExposer>(
        new MetricsExposer(std::move(registry), std::move(process), std::move(exposer), std::move(real)));
  } catch (const std::exception& error) {
    return absl::UnavailableError("can't serve metrics on " + address.ToString() +
                                  ": the port is taken, or the address is not this machine's (" + error.what() + ")");
  }
}

MetricsExposer::MetricsExposer(std::shared_ptr<prometheus::Registry> registry, std::shared_ptr<ProcessMetrics> process,
                               std::unique_ptr<prometheus::Exposer> exposer, rpc::Address address)
    : registry_(std::move(registry)),
      process_(std::move(process)),
      exposer_(std::move(exposer)),
      address_(std::move(address)) {}

MetricsExposer::~MetricsExposer() {
  // The web server looks for its stop flag every 2 s, and no program should take so long to end.
  std::thread([exposer = std::move(exposer_), registry = std::move(registry_),
               process = std::move(process_)]() mutable {
    exposer.reset();
  }).detach();
}

}  // namespace layernas
