// A large fleet that waits for work, with one connection per worker, like layernas-worker.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "benchmarks/controller/controller_process.h"
#include "benchmarks/controller/messages.h"

namespace layernas::bench {

struct ParkedOptions {
  int workers = 10'000;
  // How long to watch the workers while nothing happens.
  Millis duration{60'000};
  SpaceShape shape;
};

struct ParkedResult {
  // While nothing happens: the controller's share of one core, and its resident memory.
  double cpu_share = 0;
  std::uint64_t rss_bytes = 0;
  double idle_share = 0;
  // From the creation of a search with one candidate per worker until the last worker has got its
  // candidate.
  double served_seconds = 0;
  // After the controller was killed and restarted: from its readiness until all workers wait again,
  // and the largest share of them that came within one second.
  double reconnected_seconds = 0;
  double reconnected_peak_share = 0;
};

absl::StatusOr<ParkedResult> RunParked(ControllerProcess& controller, const ParkedOptions& options);

}  // namespace layernas::bench
