// Handles SIGTERM and SIGINT. They end the process at once or, while something is worth saving,
// request its end.
#pragma once

namespace layernas::trainer {

// After this call, either signal ends the process at once, with the exit code 128 + the signal's
// number. While a StopSignal exists, the first signal is only recorded. So are repeats within five
// seconds, because several programs may pass on the same request. A later one ends the process.
void InstallStopSignals();

// At most one may exist at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Returns the number of the signal that requested the end, or 0.
  static int Requested();
};

}  // namespace layernas::trainer
