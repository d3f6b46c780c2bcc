// Network addresses as HOST:PORT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas::rpc {

struct Address {
  // A name or an IP address, IPv6 without its brackets.
  std::string host;
  std::uint16_t port = 0;

  // HOST:PORT, with brackets around IPv6.
  std::string ToString() const;
  // Whether only this machine can reach it: an address of 127.0.0.0/8, ::1, or "localhost".
  bool IsLoopback() const;
};

// "127.0.0.1:7060", "controller:7060", "[::1]:7060". Port 0 is allowed. INVALID_ARGUMENT quotes the text and says what
// is missing.
absl::StatusOr<Address> ParseAddress(std::string_view text);

}  // namespace layernas::rpc
