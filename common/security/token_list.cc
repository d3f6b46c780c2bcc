#include "common/security/token_list.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace layernas::security {
namespace {

constexpr std::string_view kHashPrefix = "sha256:";
constexpr std::size_t kLongestName = 100;

absl::StatusOr<TokenHash> ParseHash(std::string_view text) {
  TokenHash hash;
  if (!text.starts_with(kHashPrefix)) {
    return absl::InvalidArgumentError(
        "the second word must be sha256: and the hash of a token, not the token itself; "
        "create both with 'layernas admin token'");
  }
  text.remove_prefix(kHashPrefix.size());
  const bool hexadecimal =
      std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
  if (text.size() != 2 * hash.size() || !hexadecimal) {
    return absl::InvalidArgumentError(
        absl::StrCat("sha256: must be followed by ", 2 * hash.size(), " hexadecimal digits"));
  }
  const std::string bytes = absl::HexStringToBytes(std::string(text));
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  // The hash that "sha256sum" prints if the variable or file with the token was empty.
  for (const std::string_view nothing : {"", "\n", " "}) {
    if (SameHash(hash, HashToken(nothing))) {
      return absl::InvalidArgumentError(
          "this is the hash of an empty token, which would let everybody in; create one with 'layernas admin token'");
    }
  }
  return hash;
}

absl::StatusOr<TokenListEntry> ParseLine(std::string_view line) {
  const std::vector<std::string> words =
      absl::StrSplit(absl::string_view(line.data(), line.size()), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.size() != 3) return absl::InvalidArgumentError("a line must be: ROLE sha256:HEX NAME");
  TokenListEntry entry;
  const std::optional<Role> role = ParseRole(words[0]);
  if (!role) return absl::InvalidArgumentError("the first word must be a role: read-only, client, worker or admin");
  entry.role = *role;
  LAYERNAS_ASSIGN_OR_RETURN(entry.hash, ParseHash(words[1]));
  LAYERNAS_RETURN_IF_ERROR(CheckTokenName(words[2]));
  entry.name = words[2];
  return entry;
}

}  // namespace

absl::Status CheckTokenName(std::string_view name) {
  const bool characters = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' || c == '@';
  });
  if (characters && !name.empty() && name.size() <= kLongestName) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a token's name has 1 to ", kLongestName, " letters, digits, dots, dashes, underscores and @"));
}

std::string FormatTokenLine(const TokenListEntry& entry) {
  const std::string bytes(entry.hash.begin(), entry.hash.end());
  return absl::StrCat(std::string(Name(entry.role)), " ", std::string(kHashPrefix), absl::BytesToHexString(bytes), " ",
                      entry.name);
}

absl::StatusOr<std::vector<TokenListEntry>> ParseTokenList(std::string_view text, std::string_view file) {
  std::vector<TokenListEntry> entries;
  std::set<TokenHash> known;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos || line[begin] == '#') continue;
    absl::StatusOr<TokenListEntry> entry = ParseLine(line);
    if (entry.ok() && !known.insert(entry->hash).second) {
      entry = absl::InvalidArgumentError("the same token is in an earlier line");
    }
    if (entry.ok() && entries.size() == kMaxTokens) {
      entry = absl::InvalidArgumentError(absl::StrCat("the maximum is ", kMaxTokens, " tokens"));
    }
    if (!entry.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(std::string(file), ":", number, ": ", entry.status().message()));
    }
    entries.push_back(*std::move(entry));
  }
  if (entries.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(file), ": contains no token, so nobody could connect; create a line with 'layernas admin token'"));
  }
  return entries;
}

}  // namespace layernas::security
