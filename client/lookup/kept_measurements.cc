#include "client/lookup/kept_measurements.h"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace layernas::client {

using nlohmann::json;

absl::StatusOr<KeptMeasurements> KeptMeasurements::Open(const std::string& path, const json& asked) {
  KeptMeasurements kept(path);
  // A command line need not be UTF-8.
  const std::string first = asked.dump(-1, ' ', false, json::error_handler_t::replace);
  std::string line;
  if (std::ifstream in(path); std::getline(in, line)) {
    const bool same = line == first;
    bool more = false;
    while (std::getline(in, line)) {
      more = true;
      if (same) kept.Take(json::parse(line, nullptr, /*allow_exceptions=*/false));
    }
    // It may be hours of work, and no more than a misspelt argument that it is not of the same.
    if (!same && more) {
      kept.set_aside_ = path + ".old";
      std::error_code failed;
      std::filesystem::rename(path, kept.set_aside_, failed);
      if (failed) return absl::UnknownError(absl::StrCat(path, ": can't be renamed: ", failed.message()));
    }
  }
  kept.out_.open(path, kept.known_.empty() ? std::ios::trunc : std::ios::app);
  if (kept.known_.empty()) kept.out_ << first;
  // What a crash cut off stays a line of its own.
  kept.out_ << std::endl;
  LAYERNAS_RETURN_IF_ERROR(kept.Written());
  return kept;
}

const Metrics* KeptMeasurements::Find(const std::string& architecture) const {
  const auto found = known_.find(architecture);
  return found == known_.end() ? nullptr : &found->second;
}

absl::Status KeptMeasurements::Add(const std::string& architecture, const Metrics& metrics) {
  out_ << json({{"architecture", architecture}, {"metrics", metrics}}).dump() << std::endl;
  LAYERNAS_RETURN_IF_ERROR(Written());
  known_[architecture] = metrics;
  return absl::OkStatus();
}

absl::Status KeptMeasurements::Written() {
  if (out_) return absl::OkStatus();
  const int error = errno;
  return absl::UnknownError(absl::StrCat(path_, ": can't be written: ", std::generic_category().message(error)));
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
