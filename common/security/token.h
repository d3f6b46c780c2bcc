// Bearer tokens: long random strings that are only compared by their hashes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/security/sha256.h"

namespace layernas::security {

// Shorter tokens could be guessed.
inline constexpr std::size_t kShortestToken = 32;
inline constexpr std::size_t kLongestToken = 256;

using TokenHash = Digest;

// Returns 256 bits from the cryptographic random generator, as "layernas_" and hexadecimal digits.
absl::StatusOr<std::string> MakeToken();

// Returns OK for kShortestToken to kLongestToken visible ASCII characters without spaces. An error
// does not contain the token.
absl::Status CheckToken(std::string_view token);

// Returns the SHA-256 hash. It needs no salt and need not be slow, because a token has too many
// bits to be guessed.
TokenHash HashToken(std::string_view token);

// Compares hashes in a time that does not depend on how much of them is equal.
bool SameHash(const TokenHash& a, const TokenHash& b);

}  // namespace layernas::security
