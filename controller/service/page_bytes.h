// Pages are bounded in bytes too: rows may be large, and a message that is too large never arrives.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <cstddef>
#include <span>
#include <utility>

namespace layernas {

// Clients in most languages take messages of up to 4 MiB unless they are told otherwise.
inline constexpr std::size_t kMaxPageBytes = 3 << 20;

// What comes along with a search or a page: half of that, for there is a spec or a page to it.
inline constexpr std::size_t kMaxBestBytes = kMaxPageBytes / 2;

// Converts rows into the page until it is full, `bytes` of it being taken already; the first one always goes in.
// Returns how many went in.
template <typename Row, typename Wire, typename Convert>
std::size_t FillPage(std::span<const Row> rows, google::protobuf::RepeatedPtrField<Wire>& page, Convert to_wire,
                     std::size_t bytes = 0) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Wire wire = to_wire(rows[i]);
    bytes += wire.ByteSizeLong();
    if (i > 0 && bytes > kMaxPageBytes) return i;
    page.Add(std::move(wire));
  }
  return rows.size();
}

}  // namespace layernas
