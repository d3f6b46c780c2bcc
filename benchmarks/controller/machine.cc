#include "benchmarks/controller/machine.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace layernas::bench {
namespace {

// Returns the value of a line like "VmRSS:    123 kB", in bytes.
std::uint64_t ReadStatusBytes(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  std::uint64_t kilobytes = 0;
  while (file >> word) {
    if (word == name && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace

MachineTicks ReadMachineTicks() {
  std::ifstream file("/proc/stat");
  std::string word;
  std::getline(file, word);
  std::istringstream line(word);
  line >> word;
  MachineTicks ticks;
  std::uint64_t value = 0;
  // user, nice, system, idle, iowait, irq, softirq, steal; user includes guests.
  for (int i = 0; i < 8 && line >> value; ++i) {
    ticks.all += value;
    if (i == 3 || i == 4) ticks.idle += value;
  }
  return ticks;
}

double IdleShare(const MachineTicks& begin, const MachineTicks& end) {
  const auto all = static_cast<double>(end.all - begin.all);
  return all > 0 ? static_cast<double>(end.idle - begin.idle) / all : 0;
}

double ReadCpuSeconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // The program name, in parentheses, may contain any character.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  fields >> user >> system;
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::uint64_t ReadResidentBytes(pid_t pid) { return ReadStatusBytes(pid, "VmRSS:"); }

std::uint64_t ReadPeakResidentBytes(pid_t pid) { return ReadStatusBytes(pid, "VmHWM:"); }

}  // namespace layernas::bench
