// The controller's list of tokens. It is a text file with one line per token:
//   ROLE sha256:HEX NAME
// Empty lines and lines that start with # are skipped. The file only contains hashes, so a reader
// of the file cannot log in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/security/role.h"
#include "common/security/token.h"

namespace layernas::security {

inline constexpr std::size_t kMaxTokens = 10'000;

struct TokenListEntry {
  Role role = Role::kReadOnly;
  TokenHash hash = {};
  // The owner of the token, for the log. Several tokens may have the same name.
  std::string name;
};

// Returns OK for 1 to 100 letters, digits and . _ - @.
absl::Status CheckTokenName(std::string_view name);

// Returns the line without its line feed.
std::string FormatTokenLine(const TokenListEntry& entry);

// INVALID_ARGUMENT names `file`, the line and what is wrong with it, but quotes nothing that could
// be a token. A list without a token is an error, because nobody could connect.
absl::StatusOr<std::vector<TokenListEntry>> ParseTokenList(std::string_view text, std::string_view file);

}  // namespace layernas::security
