// The default folder for the networks of winners on a worker.
#pragma once

#include <cstdlib>
#include <string>

namespace layernas {

// Returns a folder below the user's data folder (XDG Base Directory Specification). Returns an
// empty text if there is none.
inline std::string DefaultWeightsDir() {
  const char* data = std::getenv("XDG_DATA_HOME");
  const char* home = std::getenv("HOME");
  if (data != nullptr && *data == '/') return std::string(data) + "/layernas/weights";
  if (home != nullptr && *home == '/') return std::string(home) + "/.local/share/layernas/weights";
  return "";
}

}  // namespace layernas
