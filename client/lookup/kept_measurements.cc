#include "client/lookup/kept_measurements.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace layernas::client {

using nlohmann::json;

absl::StatusOr<KeptMeasurements> KeptMeasurements::Open(const std::string& path, const json& asked) {
  KeptMeasurements kept(path);
  const std::string first = asked.dump();
  std::string line;
  if (std::ifstream in(path); std::getline(in, line) && line == first) {
    while (std::getline(in, line)) kept.Take(json::parse(line, nullptr, /*allow_exceptions=*/false));
  }
  kept.out_.open(path, kept.known_.empty() ? std::ios::trunc : std::ios::app);
  if (kept.known_.empty()) kept.out_ << first;
  // What a crash cut off stays a line of its own.
  kept.out_ << std::endl;
  if (!kept.out_) return absl::InvalidArgumentError(absl::StrCat(path, ": can't be written"));
  return kept;
}

const Metrics* KeptMeasurements::Find(const std::string& architecture) const {
  const auto found = known_.find(architecture);
  return found == known_.end() ? nullptr : &found->second;
}

void KeptMeasurements::Add(const std::string& architecture, const Metrics& metrics) {
  out_ << json({{"architecture", architecture}, {"metrics", metrics}}).dump() << std::endl;
  known_[architecture] = metrics;
}

void KeptMeasurements::Remove() {
  out_.close();
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void KeptMeasurements::Take(const json& line) {
  if (!line.is_object() || !line.contains("architecture") || !line.contains("metrics")) return;
  if (!line["architecture"].is_string() || !line["metrics"].is_object()) return;
  Metrics metrics;
  for (const auto& [name, value] : line["metrics"].items()) {
    if (!value.is_number()) return;
    metrics[name] = value.get<double>();
  }
  known_[line["architecture"].get<std::string>()] = std::move(metrics);
}

}  // namespace layernas::client
