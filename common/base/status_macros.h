// Macros that return early if an absl::Status or absl::StatusOr is an error.
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration can't stand in parentheses.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define LAYERNAS_RETURN_IF_ERROR(expression)                          \
  do {                                                                \
    if (auto layernas_status = (expression); !layernas_status.ok()) { \
      return layernas_status;                                         \
    }                                                                 \
  } while (false)

#define LAYERNAS_CONCAT_INNER(a, b) a##b
#define LAYERNAS_CONCAT(a, b) LAYERNAS_CONCAT_INNER(a, b)

// LAYERNAS_ASSIGN_OR_RETURN(auto value, Function()): declares or assigns `value`, or returns the
// error.
#define LAYERNAS_ASSIGN_OR_RETURN(target, expression) \
  LAYERNAS_ASSIGN_OR_RETURN_INNER(LAYERNAS_CONCAT(layernas_status_or_, __LINE__), target, expression)
#define LAYERNAS_ASSIGN_OR_RETURN_INNER(holder, target, expression) \
  auto holder = (expression);                                       \
  if (!holder.ok()) return std::move(holder).status();              \
  target = *std::move(holder)
// NOLINTEND(bugprone-macro-parentheses)
