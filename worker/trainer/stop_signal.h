// SIGTERM and SIGINT, which end the process at once, or, while something is worth keeping, ask for its end.
#pragma once

namespace layernas::trainer {

// From here on the process ends at once on either signal (with 128 + the signal's number as exit code), except while a
// StopSignal lives: then the first one is only noted, and a second ends the process.
void InstallStopSignals();

// At most one at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Number of the signal that asked for the end; 0 where none did.
  static int Requested();
};

}  // namespace layernas::trainer
