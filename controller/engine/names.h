// Names on the wire: resource names and lease tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace layernas {

// searches/{slug}-{id}
std::string SearchName(std::string_view slug, std::uint64_t id);
// searches/{slug}-{id}/candidates/{number}
std::string CandidateName(std::string_view search_name, std::uint64_t number);

struct ParsedSearchName {
  std::string slug;
  std::uint64_t id = 0;
};

// Nothing if `name` is not of the form searches/{slug}-{id}.
std::optional<ParsedSearchName> ParseSearchName(std::string_view name);

struct ParsedCandidateName {
  std::string search_name;
  std::uint64_t number = 0;
};

// Nothing if `name` is not of the form searches/{slug}-{id}/candidates/{number}.
std::optional<ParsedCandidateName> ParseCandidateName(std::string_view name);

// One attempt at one candidate. Opaque outside of the controller.
struct LeaseToken {
  std::uint64_t search = 0;
  std::uint64_t number = 0;
  int attempt = 0;
  // Of the store: what was leased before it was put back to a backup may have another meaning since.
  std::uint64_t lineage = 0;

  bool operator==(const LeaseToken&) const = default;
};

std::string FormatLeaseToken(const LeaseToken& token);
std::optional<LeaseToken> ParseLeaseToken(std::string_view text);

}  // namespace layernas
