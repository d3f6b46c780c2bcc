// The controller's list of tokens: a text file with a line for each,
//   ROLE sha256:HEX NAME
// Empty lines and lines that start with # are skipped. The file holds hashes alone, so that who reads it can't get in.
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
  // Whose token it is, for the log; several tokens may have the same name.
  std::string name;
};

// OK for 1 to 100 letters, digits and . _ - @.
absl::Status CheckTokenName(std::string_view name);

// The line, without its line feed.
std::string FormatTokenLine(const TokenListEntry& entry);

// INVALID_ARGUMENT names `file`, the line and what is wrong with it, but quotes nothing that could be a token. A list
// without a token is an error: nobody could come in.
absl::StatusOr<std::vector<TokenListEntry>> ParseTokenList(std::string_view text, std::string_view file);

}  // namespace layernas::security
