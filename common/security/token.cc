#include "common/security/token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace layernas::security {
namespace {

// The prefix tells people and secret scanners what the token is.
constexpr char kPrefix[] = "layernas_";
constexpr std::size_t kRandomBytes = 32;

}  // namespace

absl::StatusOr<std::string> MakeToken() {
  std::string random(kRandomBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(random.size())) != 1) {
    return absl::InternalError("cannot generate random numbers");
  }
  return absl::StrCat(kPrefix, absl::BytesToHexString(random));
}

absl::Status CheckToken(std::string_view token) {
  if (token.size() < kShortestToken || token.size() > kLongestToken) {
    return absl::InvalidArgumentError(absl::StrCat("a token has ", kShortestToken, " to ", kLongestToken,
                                                   " characters, this one has ", token.size()));
  }
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
    return absl::InvalidArgumentError("a token has only visible ASCII characters, without spaces");
  }
  return absl::OkStatus();
}

TokenHash HashToken(std::string_view token) { return Sha256(token); }

bool SameHash(const TokenHash& a, const TokenHash& b) { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

}  // namespace layernas::security
