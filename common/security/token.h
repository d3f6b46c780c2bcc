// Bearer tokens: long random strings that are only ever compared by their hash.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/security/sha256.h"

namespace layernas::security {

// Shorter ones could be guessed.
inline constexpr std::size_t kShortestToken = 32;
inline constexpr std::size_t kLongestToken = 256;

using TokenHash = Digest;

// 256 bits from the cryptographic generator, as "layernas_" and hexadecimal digits.
absl::StatusOr<std::string> MakeToken();

// OK for kShortestToken to kLongestToken visible ASCII characters without spaces. The error does not quote it.
absl::Status CheckToken(std::string_view token);

// SHA-256. Neither salted nor slow: a token has too many bits to be tried out.
TokenHash HashToken(std::string_view token);

// In a time that does not tell how much of them is the same.
bool SameHash(const TokenHash& a, const TokenHash& b);

}  // namespace layernas::security
