// Network addresses of the form HOST:PORT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas::rpc {

struct Address {
  // A name or an IP address; an IPv6 address has no brackets.
  std::string host;
  std::uint16_t port = 0;

  // Returns HOST:PORT, with brackets around an IPv6 address.
  std::string ToString() const;
  // Returns true if only this machine can reach the address: an address of 127.0.0.0/8, ::1, or
  // "localhost".
  bool IsLoopback() const;
};

// Parses an address such as "127.0.0.1:7060", "controller:7060" or "[::1]:7060". Port 0 is allowed.
// INVALID_ARGUMENT quotes the text and says what is wrong.
absl::StatusOr<Address> ParseAddress(std::string_view text);

}  // namespace layernas::rpc
