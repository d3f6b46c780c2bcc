// Limits that the kernel sets for this process.
#pragma once

#include <sys/resource.h>

namespace layernas {

// Raises the limit of open files and connections of this process to the maximum that it may
// request. The usual limit of 1,024 is for programs that do not request more. Children get the
// former limit (see spawn.h). Call this before the first child is started. Returns the new limit.
rlim_t RaiseOpenFileLimit();

// Returns the limit before RaiseOpenFileLimit(), or the current limit if that has not been called.
rlimit InheritedOpenFileLimit();

}  // namespace layernas
