// Which role may make which call.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/security/role.h"

namespace layernas {

// What a call needs of its caller.
enum class Access {
  // Nothing, not even a token.
  kOpen,
  // Sees searches, candidates, workers.
  kRead,
  // Starts, stops and ends searches.
  kSearch,
  // Takes candidates and reports on them.
  kWork,
  // Destroys what can't be had back, or copies everything.
  kAdmin,
};

// Of a method's full name, as in "/layernas.v1.SearchService/GetSearch". Nothing for a method that is not in the table:
// it must not be let in.
std::optional<Access> AccessOf(std::string_view method);

bool Permits(security::Role role, Access access);

// Every method in the table.
std::vector<std::pair<std::string_view, Access>> AllMethods();

}  // namespace layernas
