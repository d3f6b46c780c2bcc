// How a program tells whoever started it that it serves, and where.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace layernas {

// Puts the file there in one step, so that a reader sees all of it or nothing, in place of an older one. The folder
// must exist.
absl::Status WriteReadyFile(std::string_view path, std::string_view content);

}  // namespace layernas
