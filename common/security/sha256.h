// The SHA-256 digest, which identifies contents.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace layernas::security {

using Digest = std::array<std::uint8_t, 32>;

Digest Sha256(std::string_view bytes);

}  // namespace layernas::security
