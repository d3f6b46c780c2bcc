#include "common/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

namespace layernas {
namespace {

void Add(std::vector<prometheus::MetricFamily>& families, prometheus::MetricType type, std::string name,
         std::string help, double value) {
  prometheus::ClientMetric metric;
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  families.push_back({std::move(name), std::move(help), type, {std::move(metric)}});
}

// Returns the fields of /proc/self/stat after the program's name, which may contain blanks. The
// first one is the state (man 5 proc).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

// Returns when the machine was started, or nothing if that is unknown.
std::optional<double> BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return std::nullopt;
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  using Type = prometheus::MetricType;
  std::vector<prometheus::MetricFamily> families;
  // The positions, counted from the state, of utime, stime, num_threads, starttime and rss (man 5
  // proc).
  constexpr std::size_t kUser = 11, kSystem = 12, kThreads = 17, kStart = 19, kResident = 21;
  const std::vector<std::string> stat = StatFields();
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  if (stat.size() > kResident) {
    Add(families, Type::Counter, "process_cpu_seconds_total", "Processor time of all threads of the process.",
        (std::stod(stat[kUser]) + std::stod(stat[kSystem])) / ticks);
    Add(families, Type::Gauge, "process_resident_memory_bytes", "Resident memory of the process.",
        std::stod(stat[kResident]) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    Add(families, Type::Gauge, "process_threads", "Threads of the process.", std::stod(stat[kThreads]));
    if (const std::optional<double> boot = BootTime()) {
      Add(families, Type::Gauge, "process_start_time_seconds", "Unix time at which the process started.",
          *boot + std::stod(stat[kStart]) / ticks);
    }
  }
  std::error_code error;
  const auto descriptors = std::filesystem::directory_iterator("/proc/self/fd", error);
  if (!error) {
    // Subtract the descriptor that lists them.
    Add(families, Type::Gauge, "process_open_fds", "Open file descriptors.",
        static_cast<double>(std::distance(begin(descriptors), end(descriptors)) - 1));
  }
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    Add(families, Type::Gauge, "process_max_fds", "Maximum number of open file descriptors.",
        static_cast<double>(limit.rlim_cur));
  }
  return families;
}

}  // namespace layernas
