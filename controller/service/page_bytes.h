// Limits the bytes of pages: rows may be large, and a message that is too large never arrives.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <cstddef>
#include <span>
#include <utility>

namespace layernas {

// By default, clients in most languages accept messages of up to 4 MiB.
inline constexpr std::size_t kMaxPageBytes = 3 << 20;

// Maximum bytes of results that accompany a search or a page. It is half of the above, because the
// answer also contains a spec or a page.
inline constexpr std::size_t kMaxBestBytes = kMaxPageBytes / 2;

// Converts rows into the page until it is full; `bytes` of it are already used. Always converts the
// first row. Returns the number of converted rows.
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
