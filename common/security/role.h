// Who someone is to the controller.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace layernas::security {

enum class Role {
  // Sees everything, changes nothing.
  kReadOnly,
  // Runs searches.
  kClient,
  // Evaluates candidates; sees nothing but what it is handed.
  kWorker,
  // Everything.
  kAdmin,
};

inline constexpr std::array kRoles = {Role::kReadOnly, Role::kClient, Role::kWorker, Role::kAdmin};

// As people write it: "read-only", "client", "worker", "admin".
std::string_view Name(Role role);
// Nothing if there is no such role.
std::optional<Role> ParseRole(std::string_view name);

}  // namespace layernas::security
