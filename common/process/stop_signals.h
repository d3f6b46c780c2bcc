// The signals that end a program in order.
#pragma once

#include <signal.h>

namespace layernas {

// SIGINT, SIGTERM and SIGHUP. SIGHUP is left out if the program was started with it ignored, as nohup(1) does to let
// the program outlive its terminal. To be called before anything sets a handler of SIGHUP.
sigset_t StopSignals();

}  // namespace layernas
