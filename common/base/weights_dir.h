// Where workers keep the networks of winners unless they are told another place.
#pragma once

#include <cstdlib>
#include <string>

namespace layernas {

// Below the folder for what users keep (XDG Base Directory Specification); empty where there is none.
inline std::string DefaultWeightsDir() {
  const char* data = std::getenv("XDG_DATA_HOME");
  const char* home = std::getenv("HOME");
  if (data != nullptr && *data == '/') return std::string(data) + "/layernas/weights";
  if (home != nullptr && *home == '/') return std::string(home) + "/.local/share/layernas/weights";
  return "";
}

}  // namespace layernas
