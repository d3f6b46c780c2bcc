// A program's configuration file: YAML, a line for each option, by its name without the dashes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace layernas::cli {

struct FileSetting {
  std::string key;
  // Of a list each, otherwise one; as they are written.
  std::vector<std::string> values;
  // "/etc/layernas/controller.yaml:3".
  std::string place;
};

// In the file's order. Errors begin with the file, and the line where there is one.
absl::StatusOr<std::vector<FileSetting>> ReadConfigurationFile(const std::string& path);

}  // namespace layernas::cli
