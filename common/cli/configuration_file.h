// Configuration files: YAML with one line per option, by option name without dashes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace layernas::cli {

struct FileSetting {
  std::string key;
  // The values as written: one, or all items of a list.
  std::vector<std::string> values;
  // For example "/etc/layernas/controller.yaml:3".
  std::string place;
};

// Returns the settings in the order of the file. Errors begin with the file and, if known, the
// line.
absl::StatusOr<std::vector<FileSetting>> ReadConfigurationFile(const std::string& path);

}  // namespace layernas::cli
