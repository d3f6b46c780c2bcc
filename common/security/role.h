// The roles of callers of the controller.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace layernas::security {

enum class Role {
  // May read everything and change nothing.
  kReadOnly,
  // May run searches.
  kClient,
  // May evaluate candidates, and only reads what the controller gives it.
  kWorker,
  // May do everything.
  kAdmin,
};

inline constexpr std::array kRoles = {Role::kReadOnly, Role::kClient, Role::kWorker, Role::kAdmin};

// Returns the role's name as users write it: "read-only", "client", "worker", "admin".
std::string_view Name(Role role);
// Returns nothing if there is no such role.
std::optional<Role> ParseRole(std::string_view name);

}  // namespace layernas::security
