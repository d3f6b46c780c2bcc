// What the kernel allows this process.
#pragma once

namespace layernas {

// Raises the number of files and connections that this process may have open at once to the most that it may ask for:
// the usual limit of 1,024 is there for programs that would not ask.
void RaiseOpenFileLimit();

}  // namespace layernas
