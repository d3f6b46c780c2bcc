#include "client/lookup/kept_measurements.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

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

absl::Status CannotWrite(const std::string& path, int error) {
  return absl::UnknownError(absl::StrCat("cannot write ", path, ": ", std::generic_category().message(error)));
}

}  // namespace

absl::StatusOr<KeptMeasurements> KeptMeasurements::Open(const std::string& path, const json& asked) {
  // A command line can contain bytes that are not UTF-8.
  KeptMeasurements kept(path, asked.dump(-1, ' ', false, json::error_handler_t::replace));
  LAYERNAS_RETURN_IF_ERROR(kept.Lock());
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

absl::Status KeptMeasurements::Lock() {
  while (true) {
    Fd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file.valid()) return CannotWrite(path_, errno);
    struct stat at_path = {};
    struct stat locked = {};
    if (::fstat(file.get(), &at_path) != 0) return CannotWrite(path_, errno);
    const auto same = [&at_path](const struct stat& other) {
      return other.st_dev == at_path.st_dev && other.st_ino == at_path.st_ino;
    };
    // A renamed file takes its lock with it.
    if (lock_.valid() && ::fstat(lock_.get(), &locked) == 0 && same(locked)) return absl::OkStatus();
    // Some network file systems have no locks; the measurements are then kept all the same.
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat(path_,
                       " is in use: another \"layernas measure lut\" writes this table; wait for it, or name "
                       "another table"));
    }
    // Another process may have removed the file before it was locked.
    if (::stat(path_.c_str(), &locked) == 0 && same(locked)) {
      lock_ = std::move(file);
      return absl::OkStatus();
    }
  }
}

absl::Status KeptMeasurements::Start() {
  LAYERNAS_RETURN_IF_ERROR(Lock());
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
  return CannotWrite(path_, errno);
}

void KeptMeasurements::Remove() {
  out_.close();
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
  lock_ = Fd();
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
