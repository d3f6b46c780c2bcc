// The machine that is measured on: what it is, how busy it is, what it uses up. Linux's own files are read; what a
// machine does not say is absent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace layernas::trainer {

// "AMD EPYC, 2 processors, 1 thread": what latencies must share to be compared at all. ARM's processors, which have no
// model name, are told apart by implementer, part, variant and revision of each kind of core, and by the board's model:
// "ARM 0x41/0xd08/0x0/3, Raspberry Pi 4 Model B Rev 1.2, 4 processors, 1 thread". `root` holds the files of Linux.
std::string DescribeMachine(int threads, const std::filesystem::path& root = "/");
// 32 bits of the description, for where only numbers are kept; the same on every machine of the kind.
std::uint32_t Fingerprint(const std::string& description);

struct MachineState {
  // Mean over the processors.
  std::optional<double> clock_mhz;
  // Processes that run or want to, mean of the last minute.
  std::optional<double> load;
};
MachineState ReadMachineState();

// "this process holds 812 MiB, and 1203 MiB of the machine's 16000 MiB are free".
std::string DescribeMemory();

// Energy of the processor packages, from Linux's power capping interface (RAPL). Everything that runs on the machine
// counts. Not thread-safe.
class EnergyMeter {
 public:
  explicit EnergyMeter(const std::filesystem::path& folder = "/sys/class/powercap");

  // False where the machine does not say, or not to us: most want root's rights for it.
  bool available() const { return !packages_.empty(); }
  void Start();
  // Millijoules since Start, at most one overflow of a counter apart; nothing if a counter can't be read any more.
  std::optional<double> MillijoulesSinceStart() const;

 private:
  struct Package {
    std::filesystem::path counter;
    // Where the counter starts again.
    double range_uj = 0;
    double start_uj = 0;
  };
  std::vector<Package> packages_;
};

}  // namespace layernas::trainer
