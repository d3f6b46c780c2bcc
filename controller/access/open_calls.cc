#include "controller/access/open_calls.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace layernas {
namespace {

constexpr std::string_view kOpenBracket = "%5B";
constexpr std::string_view kCloseBracket = "%5D";

}  // namespace

std::string PeerHost(const std::string& peer) {
  const bool v4 = peer.starts_with("ipv4:");
  const bool v6 = peer.starts_with("ipv6:");
  // "inproc" and "unix:…" have no port.
  if (!v4 && !v6) return peer;
  std::string host = peer.substr(5, peer.rfind(':') - 5);
  if (host.starts_with(kOpenBracket) && host.ends_with(kCloseBracket)) {
    host = host.substr(kOpenBracket.size(), host.size() - kOpenBracket.size() - kCloseBracket.size());
  }
  return host;
}

OpenCalls::OpenCalls(std::string what, std::string flag, int max_per_host)
    : what_(std::move(what)), flag_(std::move(flag)), max_per_host_(max_per_host) {}

absl::StatusOr<OpenCalls::Place> OpenCalls::Enter(const std::string& host) {
  MutexLock lock(mutex_);
  int& open = open_[host];
  if (open >= max_per_host_) {
    return absl::ResourceExhaustedError(absl::StrCat("the controller accepts at most ", max_per_host_, " open ", what_,
                                                     " per host (", flag_, "), and ", host,
                                                     " has reached this limit; wait for some to end"));
  }
  ++open;
  return Place(*this, host);
}

OpenCalls::Place::Place(Place&& other) noexcept
    : calls_(std::exchange(other.calls_, nullptr)), host_(std::move(other.host_)) {}

OpenCalls::Place& OpenCalls::Place::operator=(Place&& other) noexcept {
  if (this != &other) {
    Leave();
    calls_ = std::exchange(other.calls_, nullptr);
    host_ = std::move(other.host_);
  }
  return *this;
}

void OpenCalls::Place::Leave() {
  if (calls_ == nullptr) return;
  MutexLock lock(calls_->mutex_);
  const auto open = calls_->open_.find(host_);
  if (--open->second == 0) calls_->open_.erase(open);
  calls_ = nullptr;
}

}  // namespace layernas
