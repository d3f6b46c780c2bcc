// Calls the command line as a function.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "client/application.h"

namespace layernas::client {

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

// Without further arguments, there is no controller.
inline Outcome CallLocally(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const ExitCode code = RunClient(arguments, Terminal{out, err}, "/nonexistent");
  return {code, out.str(), err.str()};
}

}  // namespace layernas::client
