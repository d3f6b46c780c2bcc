// Describes the machine that is measured on: its kind, its load and its energy consumption. Reads
// Linux's files; values that a machine does not provide are absent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace layernas::trainer {

// Describes the machine, for example "AMD EPYC, 2 processors, 1 thread". Latencies can only be
// compared if their descriptions are equal. ARM processors have no model name. They are described
// by implementer, part, variant and revision of each kind of core, and by the board's model: "ARM
// 0x41/0xd08/0x0/3, Raspberry Pi 4 Model B Rev 1.2, 4 processors, 1 thread". `root` is the folder
// with the files of Linux.
std::string DescribeMachine(int threads, const std::filesystem::path& root = "/");
// Returns a 32-bit hash of the description, for places that only store numbers. It is the same on
// every machine of that kind.
std::uint32_t Fingerprint(const std::string& description);

struct MachineState {
  // The mean over the processors.
  std::optional<double> clock_mhz;
  // The number of processes that run or wait to run: mean of the last minute.
  std::optional<double> load;
};
MachineState ReadMachineState();

// For example "this process uses 812 MiB, and 1203 MiB of the machine's 16000 MiB are free".
std::string DescribeMemory();

// Measures the energy of the processor packages with Linux's power capping interface (RAPL). It
// includes everything that runs on the machine. Not thread-safe.
class EnergyMeter {
 public:
  explicit EnergyMeter(const std::filesystem::path& folder = "/sys/class/powercap");

  // Returns false if the machine does not provide it, or not to this user: most machines require
  // root for it.
  bool available() const { return !packages_.empty(); }
  void Start();
  // Returns the millijoules since Start(), or nothing if a counter cannot be read any more. Each
  // counter may overflow at most once.
  std::optional<double> MillijoulesSinceStart() const;

 private:
  struct Package {
    std::filesystem::path counter;
    // The value at which the counter overflows.
    double range_uj = 0;
    double start_uj = 0;
  };
  std::vector<Package> packages_;
};

}  // namespace layernas::trainer
