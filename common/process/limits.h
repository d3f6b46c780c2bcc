// What the kernel allows this process.
#pragma once

#include <sys/resource.h>

namespace layernas {

// Raises the number of files and connections that this process may have open at once to the most that it may ask for:
// the usual limit of 1,024 is there for programs that would not ask. Children get the former limit (spawn.h). To be
// called before the first child is started. Returns how many may be open now.
rlim_t RaiseOpenFileLimit();

// The limit as it was before RaiseOpenFileLimit, or as it is if that was not called.
rlimit InheritedOpenFileLimit();

}  // namespace layernas
