// A large fleet that waits for work, each worker on a connection of its own, as layernas-worker does.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "benchmarks/controller/controller_process.h"
#include "benchmarks/controller/messages.h"

namespace layernas::bench {

struct ParkedOptions {
  int workers = 10'000;
  // How long they are watched while nothing happens.
  Millis duration{60'000};
  SpaceShape shape;
};

struct ParkedResult {
  // While nothing happens: share of one core, and resident memory, of the controller.
  double cpu_share = 0;
  std::uint64_t rss_bytes = 0;
  double idle_share = 0;
  // From the creation of a search with a candidate for each to the moment at which the last has got its own.
  double served_seconds = 0;
  // After the controller was killed and started again: from its readiness to the moment at which all are parked again,
  // and the largest share of them that came within one second.
  double reconnected_seconds = 0;
  double reconnected_peak_share = 0;
};

absl::StatusOr<ParkedResult> RunParked(ControllerProcess& controller, const ParkedOptions& options);

}  // namespace layernas::bench
