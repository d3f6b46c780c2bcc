#include "controller/core/evaluation_metrics.h"

#include <algorithm>

namespace layernas::core {

Metrics::Metrics(std::vector<std::pair<std::string, double>> entries) {
  if (entries.empty()) return;
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  auto names = std::make_shared<std::vector<std::string>>();
  names->reserve(entries.size());
  values_.reserve(entries.size());
  for (auto& [name, value] : entries) {
    if (!names->empty() && names->back() == name) {
      values_.back() = value;
      continue;
    }
    names->push_back(std::move(name));
    values_.push_back(value);
  }
  names_ = std::move(names);
}

std::optional<double> Metrics::Find(std::string_view name) const {
  if (names_ == nullptr) return std::nullopt;
  const auto found = std::lower_bound(names_->begin(), names_->end(), name);
  if (found == names_->end() || *found != name) return std::nullopt;
  return values_[found - names_->begin()];
}

void Metrics::Set(const std::string& name, double value) {
  std::vector<std::pair<std::string, double>> entries;
  for (const Entry& entry : *this) entries.emplace_back(entry.name, entry.value);
  entries.emplace_back(name, value);
  *this = Metrics(std::move(entries));
}

void Metrics::ShareNames(const Metrics& other) {
  if (names_ != other.names_ && names_ != nullptr && other.names_ != nullptr && *names_ == *other.names_) {
    names_ = other.names_;
  }
}

bool Metrics::operator==(const Metrics& other) const {
  if (values_ != other.values_) return false;
  return names_ == other.names_ || (names_ != nullptr && other.names_ != nullptr && *names_ == *other.names_);
}

}  // namespace layernas::core
