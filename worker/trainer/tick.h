// How long work tells its caller that it goes on.
#pragma once

#include <functional>

namespace layernas::trainer {

// Called again and again, from the thread that does the work: at least once per file that is looked at and per few
// megabytes that are read. May be null. What it throws ends the work.
using Tick = std::function<void()>;

inline void Call(const Tick& tick) {
  if (tick) tick();
}

}  // namespace layernas::trainer
