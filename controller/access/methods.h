// Which roles may make which calls.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/security/role.h"

namespace layernas {

// What a call requires of its caller.
enum class Access {
  // Nothing, not even a token.
  kOpen,
  // Reads searches, candidates and workers.
  kRead,
  // Starts, stops and ends searches.
  kSearch,
  // Leases candidates and reports on them.
  kWork,
  // Destroys data that cannot be restored, or copies everything.
  kAdmin,
};

// Takes a method's full name, for example "/layernas.v1.SearchService/GetSearch". Returns nothing
// for a method that is not in the table; such a call must be refused.
std::optional<Access> AccessOf(std::string_view method);

bool Permits(security::Role role, Access access);

// Returns every method in the table.
std::vector<std::pair<std::string_view, Access>> AllMethods();

}  // namespace layernas
