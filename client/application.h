// The `layernas` program, apart from main().
#pragma once

#include <string>
#include <vector>

#include "client/exit_code.h"
#include "client/terminal.h"

namespace layernas::client {

// `arguments` without the program's name. Results go to terminal.out, everything else to terminal.err.
// `program_folder` is where the other programs of layernas are.
ExitCode RunClient(const std::vector<std::string>& arguments, const Terminal& terminal,
                   const std::string& program_folder);

}  // namespace layernas::client
