// Names in messages: resource names and lease tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/core/candidate.h"

namespace layernas {

// searches/{slug}-{id}
std::string SearchName(std::string_view slug, std::uint64_t id);
// searches/{slug}-{id}/candidates/{number}
std::string CandidateName(std::string_view search_name, std::uint64_t number);

struct ParsedSearchName {
  std::string slug;
  std::uint64_t id = 0;
};

// Returns nothing if `name` does not have the form searches/{slug}-{id}.
std::optional<ParsedSearchName> ParseSearchName(std::string_view name);

struct ParsedCandidateName {
  std::string search_name;
  std::uint64_t number = 0;
};

// Returns nothing if `name` does not have the form searches/{slug}-{id}/candidates/{number}.
std::optional<ParsedCandidateName> ParseCandidateName(std::string_view name);

// Identifies a task: one attempt at one candidate of one store. Opaque outside the controller.
struct LeaseToken {
  std::uint64_t search = 0;
  std::uint64_t number = 0;
  int attempt = 0;
  // TokenLineage() of the search, which is made from the lineage of the store (search_book.h).
  // Numbers of another store, or of a store that was later restored from a backup, mean something
  // else. 0 in tokens of versions without a lineage; no store has it.
  std::uint64_t lineage = 0;

  bool operator==(const LeaseToken&) const = default;
};

std::string FormatLeaseToken(const LeaseToken& token);
std::optional<LeaseToken> ParseLeaseToken(std::string_view text);

// Returns the identity of a task's work: equal for all attempts at the same work, and different for
// all other work. `kind` is part of it because a candidate may be measured and then trained.
std::string WorkIdentity(const LeaseToken& token, core::TaskKind kind);

}  // namespace layernas
