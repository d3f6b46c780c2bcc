#include "common/security/role.h"

namespace layernas::security {

std::string_view Name(Role role) {
  switch (role) {
    case Role::kReadOnly:
      return "read-only";
    case Role::kClient:
      return "client";
    case Role::kWorker:
      return "worker";
    case Role::kAdmin:
      return "admin";
  }
  return "unknown";
}

std::optional<Role> ParseRole(std::string_view name) {
  for (const Role role : kRoles) {
    if (Name(role) == name) return role;
  }
  return std::nullopt;
}

}  // namespace layernas::security
