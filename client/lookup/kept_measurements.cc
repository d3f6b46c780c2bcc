#include "client/lookup/kept_measurements.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace layernas::client {

using nlohmann::json;

namespace {

// Maximum files that are searched for measurements that were set aside.
constexpr int kMaxAside = 100;

std::string FirstLine(const std::string& path) {
  std::string line;
  std::ifstream in(path);
  std::getline(in, line);
  return line;
}

bool HasMeasurements(const std::string& path) {
  std::string line;
  std::ifstream in(path);
  return std::getline(in, line) && std::getline(in, line);
}

// Returns "table.partial.old", "table.partial.old2", ….
std::string AsideName(const std::string& path, int number) {
  return absl::StrCat(path, ".old", number > 1 ? std::to_string(number) : "");
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code failed;
  std::filesystem::rename(from, to, failed);
  if (!failed) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("cannot rename ", from, ": ", failed.message()));
}

}  // namespace

absl::StatusOr<KeptMeasurements> KeptMeasurements::Open(const std::string& path, const json& asked) {
  // A command line can contain bytes that are not UTF-8.
  KeptMeasurements kept(path, asked.dump(-1, ' ', false, json::error_handler_t::replace));
  if (FirstLine(path) != kept.asked_) {
    // Keep the other measurements: they may be hours of work, and a mistyped argument may be the
    // only difference.
    if (HasMeasurements(path)) LAYERNAS_RETURN_IF_ERROR(kept.SetAside());
    LAYERNAS_RETURN_IF_ERROR(kept.FindAside([](const KeptMeasurements&) { return true; }));
  }
  kept.Read();
  LAYERNAS_RETURN_IF_ERROR(kept.Start());
  return kept;
}

absl::Status KeptMeasurements::TakeUp(const std::string& metric, double value) {
  out_.close();
  LAYERNAS_RETURN_IF_ERROR(SetAside());
  known_.clear();
  LAYERNAS_RETURN_IF_ERROR(FindAside([&](const KeptMeasurements& aside) {
    return !aside.known_.empty() && std::all_of(aside.known_.begin(), aside.known_.end(), [&](const auto& one) {
      const auto found = one.second.find(metric);
      return found != one.second.end() && found->second == value;
    });
  }));
  Read();
  return Start();
}

absl::Status KeptMeasurements::FindAside(const std::function<bool(const KeptMeasurements& aside)>& fits) {
  for (int i = 1; i <= kMaxAside; ++i) {
    KeptMeasurements aside(AsideName(path_, i), asked_);
    if (FirstLine(aside.path_) != asked_) continue;
    aside.Read();
    if (fits(aside)) return Rename(aside.path_, path_);
  }
  return absl::OkStatus();
}

absl::Status KeptMeasurements::SetAside() {
  int number = 1;
  std::error_code ignored;
  while (std::filesystem::exists(AsideName(path_, number), ignored)) ++number;
  set_aside_ = AsideName(path_, number);
  return Rename(path_, set_aside_);
}

void KeptMeasurements::Read() {
  std::string line;
  std::ifstream in(path_);
  if (!std::getline(in, line) || line != asked_) return;
  while (std::getline(in, line)) Take(json::parse(line, nullptr, /*allow_exceptions=*/false));
}

absl::Status KeptMeasurements::Start() {
  out_.open(path_, known_.empty() ? std::ios::trunc : std::ios::app);
  if (known_.empty()) out_ << asked_;
  // Puts the next entry on its own line after a line that a crash cut off.
  out_ << std::endl;
  return Written();
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
  return absl::UnknownError(absl::StrCat("cannot write ", path_, ": ", std::generic_category().message(error)));
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
