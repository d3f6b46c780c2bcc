// The signals that request an orderly exit of a program.
#pragma once

#include <signal.h>

namespace layernas {

// Returns SIGINT, SIGTERM and SIGHUP. SIGHUP is left out if the program was started with it
// ignored, as nohup(1) does to let the program outlive its terminal. Call this before any code sets
// a handler for SIGHUP.
sigset_t StopSignals();

}  // namespace layernas
