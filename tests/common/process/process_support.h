// Helpers for tests of child processes.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "common/base/clock.h"

namespace layernas {

// Only limits how long a failing test takes; no passing test waits for it.
inline constexpr Millis kLong{60'000};
inline constexpr std::size_t kMaxLine = 1 << 20;

// Returns true if the process has ended, even if nobody has reaped it.
inline bool Gone(pid_t pid) {
  if (kill(pid, 0) != 0) return errno == ESRCH;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto state = text.rfind(") ");
  return state == std::string::npos || text[state + 2] == 'Z';
}

inline void ExpectGoneSoon(pid_t pid) {
  for (int i = 0; i < 6'000 && !Gone(pid); ++i) std::this_thread::sleep_for(Millis(10));
  EXPECT_TRUE(Gone(pid)) << pid;
  kill(pid, SIGKILL);
}

}  // namespace layernas
