// Limits the calls that one peer keeps open.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"

namespace layernas {

// Returns the host of a call's peer. gRPC names a peer as in "ipv4:10.0.0.1:5000" and
// "ipv6:%5B::1%5D:5000"; the result has neither scheme nor port.
std::string PeerHost(const std::string& peer);

// Counts open calls by host. Thread-safe; must outlive its places.
class OpenCalls {
 public:
  // The place of one call, until it is destroyed or moved from.
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

  // `what` and `flag` name the calls and the option of the limit in errors.
  OpenCalls(std::string what, std::string flag, int max_per_host);

  // Returns RESOURCE_EXHAUSTED with the limit if the host has too many open calls.
  absl::StatusOr<Place> Enter(const std::string& host);

 private:
  const std::string what_;
  const std::string flag_;
  const int max_per_host_;

  Mutex mutex_;
  // Contains only hosts with open calls.
  std::map<std::string, int> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace layernas
