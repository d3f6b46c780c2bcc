#include "worker/trainer/machine.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

namespace layernas::trainer {
namespace {

std::optional<double> ReadNumber(const std::filesystem::path& path) {
  std::ifstream file(path);
  double value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

// Returns every value of a field of /proc/cpuinfo.
std::vector<std::string> CpuInfo(const std::string& field, const std::filesystem::path& root = "/") {
  std::vector<std::string> values;
  std::ifstream file(root / "proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, field.size(), field) != 0) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) values.push_back(line.substr(colon + 2));
  }
  return values;
}

// Returns implementer, part, variant and revision of each kind of core, sorted as text. Many ARM
// machines have two kinds.
std::set<std::string> ArmCores(const std::filesystem::path& root) {
  const std::vector<std::string> implementers = CpuInfo("CPU implementer", root), parts = CpuInfo("CPU part", root),
                                 variants = CpuInfo("CPU variant", root), revisions = CpuInfo("CPU revision", root);
  const auto at = [](const std::vector<std::string>& values, std::size_t i) {
    return i < values.size() ? values[i] : std::string("?");
  };
  std::set<std::string> cores;
  for (std::size_t i = 0; i < implementers.size(); ++i) {
    cores.insert(implementers[i] + "/" + at(parts, i) + "/" + at(variants, i) + "/" + at(revisions, i));
  }
  return cores;
}

// Returns the device tree's name of the machine. Empty if there is no device tree, as on PCs.
std::string BoardModel(const std::filesystem::path& root) {
  std::ifstream file(root / "proc/device-tree/model");
  std::string model;
  // The text ends with a zero byte.
  std::getline(file, model, '\0');
  return model;
}

// Returns a field in kB of a file below /proc, converted to MiB; "?" if it does not exist.
std::string Mebibytes(const char* path, const std::string& field) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    long long kilobytes = 0;
    if (words >> name >> kilobytes && name == field + ":") return std::to_string(kilobytes / 1024) + " MiB";
  }
  return "?";
}

}  // namespace

std::string DescribeMemory() {
  return "this process uses " + Mebibytes("/proc/self/status", "VmRSS") + ", and " +
         Mebibytes("/proc/meminfo", "MemAvailable") + " of the machine's " + Mebibytes("/proc/meminfo", "MemTotal") +
         " are free";
}

std::string DescribeMachine(int threads, const std::filesystem::path& root) {
  std::vector<std::string> parts;
  // Kernels for 32 bits give a model name on ARM too, but it only says the processor's
  // architecture.
  if (const auto models = CpuInfo("model name", root); !models.empty()) parts.push_back(models.front());
  for (const std::string& core : ArmCores(root)) parts.push_back("ARM " + core);
  if (std::string board = BoardModel(root); !board.empty()) parts.push_back(std::move(board));
  if (parts.empty()) parts.emplace_back("unknown processor");
  const unsigned processors = std::thread::hardware_concurrency();
  std::ostringstream text;
  for (const std::string& part : parts) text << part << ", ";
  text << processors << (processors == 1 ? " processor, " : " processors, ") << threads
       << (threads == 1 ? " thread" : " threads");
  return text.str();
}

std::uint32_t Fingerprint(const std::string& description) {
  // FNV-1a (Fowler, Noll, Vo), 32 bits.
  std::uint32_t hash = 0x811c9dc5;
  for (const char c : description) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193;
  return hash;
}

MachineState ReadMachineState() {
  MachineState state;
  double sum = 0;
  const std::vector<std::string> clocks = CpuInfo("cpu MHz");
  for (const std::string& clock : clocks) sum += std::strtod(clock.c_str(), nullptr);
  if (!clocks.empty() && sum > 0) state.clock_mhz = sum / static_cast<double>(clocks.size());
  state.load = ReadNumber("/proc/loadavg");
  return state;
}

EnergyMeter::EnergyMeter(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    // Packages are intel-rapl:0, intel-rapl:1, …; intel-rapl:0:0 is a part of the first. AMD's
    // packages have the same names.
    const std::string name = entry.path().filename().string();
    if (name.compare(0, 11, "intel-rapl:") != 0 || name.find(':', 11) != std::string::npos) continue;
    Package package;
    package.counter = entry.path() / "energy_uj";
    const auto range = ReadNumber(entry.path() / "max_energy_range_uj");
    if (!range || !ReadNumber(package.counter)) continue;
    package.range_uj = *range;
    packages_.push_back(package);
  }
}

void EnergyMeter::Start() {
  for (Package& package : packages_) package.start_uj = ReadNumber(package.counter).value_or(0);
}

std::optional<double> EnergyMeter::MillijoulesSinceStart() const {
  if (packages_.empty()) return std::nullopt;
  double used = 0;
  for (const Package& package : packages_) {
    const auto now = ReadNumber(package.counter);
    if (!now) return std::nullopt;
    used += *now >= package.start_uj ? *now - package.start_uj : *now + package.range_uj - package.start_uj;
  }
  return used / 1000;
}

}  // namespace layernas::trainer
