// Shared by all fuzz targets. A target is a function of some bytes, which libFuzzer or
// replay_main.cc calls. For any bytes it must not crash, hang, or fail a check.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// Called once, before the first input. A target may omit it.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
// Always returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace layernas::fuzz {

// Reports a finding: prints what does not hold, and ends the process.
inline void Check(bool holds, const char* what, const char* file, int line) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  std::abort();
}

inline std::string_view View(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace layernas::fuzz

#define FUZZ_CHECK(condition) ::layernas::fuzz::Check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
