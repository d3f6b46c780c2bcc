// Bounds on the calls that one peer keeps open.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"

namespace layernas {

// The host of a call's peer as gRPC names it: "ipv4:10.0.0.1:5000" and "ipv6:%5B::1%5D:5000" without scheme and port.
std::string PeerHost(const std::string& peer);

// Counts open calls by the host that they come from. Thread-safe; must outlive its places.
class OpenCalls {
 public:
  // One call's place, until it is destroyed or moved from.
  class Place {
   public:
    Place() = default;
    Place(OpenCalls& calls, std::string host) : calls_(&calls), host_(std::move(host)) {}
    ~Place() { Leave(); }
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;

   private:
    void Leave();

    OpenCalls* calls_ = nullptr;
    std::string host_;
  };

  // `what` and `flag` name the calls and the bound in errors.
  OpenCalls(std::string what, std::string flag, int max_per_host);

  // RESOURCE_EXHAUSTED says what the bound is.
  absl::StatusOr<Place> Enter(const std::string& host);

 private:
  const std::string what_;
  const std::string flag_;
  const int max_per_host_;

  Mutex mutex_;
  // Only hosts that have any.
  std::map<std::string, int> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace layernas
