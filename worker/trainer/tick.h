// A callback with which long work reports that it continues.
#pragma once

#include <functional>

namespace layernas::trainer {

// Called repeatedly on the thread that does the work: at least once per file that is examined, and
// per few megabytes that are read. May be null. An exception that it throws ends the work.
using Tick = std::function<void()>;

inline void Call(const Tick& tick) {
  if (tick) tick();
}

}  // namespace layernas::trainer
