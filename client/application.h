// The `layernas` program without main().
#pragma once

#include <string>
#include <vector>

#include "client/exit_code.h"
#include "client/terminal.h"

namespace layernas::client {

// Runs the client and returns its exit code. `arguments` does not include the program name. Results
// go to terminal.out, everything else to terminal.err. `program_folder` is the directory of the
// other layernas programs.
ExitCode RunClient(const std::vector<std::string>& arguments, const Terminal& terminal,
                   const std::string& program_folder);

}  // namespace layernas::client
