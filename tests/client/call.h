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

// `programs` is the directory of the other programs. Unless an argument names a controller, there is
// none.
inline Outcome CallLocally(const std::vector<std::string>& arguments, const std::string& programs = "/nonexistent") {
  std::ostringstream out;
  std::ostringstream err;
  const ExitCode code = RunClient(arguments, Terminal{out, err}, programs);
  return {code, out.str(), err.str()};
}

}  // namespace layernas::client
