#include "common/rpc/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <system_error>

namespace layernas::rpc {
namespace {

// With these names as hosts, gRPC would read HOST:PORT as a URI, for example as the path of a socket.
constexpr std::string_view kSchemes[] = {"dns", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds"};

absl::Status Malformed(std::string_view text, std::string_view why) {
  std::string message = "not an address: \"";
  message.append(text).append("\" (").append(why).append("); write it like 127.0.0.1:7060 or [::1]:7060");
  return absl::InvalidArgumentError(message);
}

}  // namespace

std::string Address::ToString() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::IsLoopback() const {
  in_addr v4 = {};
  in6_addr v6 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  if (text.find("//") != std::string_view::npos) return Malformed(text, "a host and a port, not a URL");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed(text, "the port is missing");
  std::string_view host = text.substr(0, colon);
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return Malformed(text, "the port is missing");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Malformed(text, "an IPv6 address needs brackets");
  }
  if (host.empty()) return Malformed(text, "the host is missing");
  if (host.find_first_of(" \t/,[]") != std::string_view::npos) return Malformed(text, "the host is invalid");
  if (std::find(std::begin(kSchemes), std::end(kSchemes), host) != std::end(kSchemes)) {
    return Malformed(text, "gRPC reads this host name as a kind of address; use another name or the IP address");
  }
  const std::string_view port_text = text.substr(colon + 1);
  Address address{std::string(host), 0};
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), address.port);
  if (error != std::errc() || end != port_text.data() + port_text.size()) {
    return Malformed(text, "the port must be a number from 0 to 65535");
  }
  return address;
}

}  // namespace layernas::rpc
