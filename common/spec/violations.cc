#include "common/spec/violations.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/base/number.h"

namespace layernas::spec {

void Violations::Add(std::string field, std::string message) {
  if (violations_.size() >= kMaxViolations) return;
  violations_.push_back({std::move(field), std::move(message)});
}

void Violations::CheckText(const std::string& field, std::string_view text, std::string_view what) {
  if (text.empty()) {
    Add(field, "is missing: give " + std::string(what));
  } else if (text.size() > kMaxTextBytes) {
    Add(field, "must be at most " + std::to_string(kMaxTextBytes) + " bytes long, is " + std::to_string(text.size()));
  } else if (std::any_of(text.begin(), text.end(),
                         [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    Add(field, "must not hold control characters such as tabs or line breaks");
  }
}

void Violations::CheckRange(const std::string& field, double value, double min, double max) {
  // This form also rejects NaN.
  if (value >= min && value <= max && std::isfinite(value)) return;
  Add(field, std::isinf(max) ? "must be at least " + FormatNumber(min) + ", is " + FormatNumber(value)
                             : "must be between " + FormatNumber(min) + " and " + FormatNumber(max) + ", is " +
                                   FormatNumber(value));
}

void Violations::CheckAtLeast(const std::string& field, double value, double min) {
  CheckRange(field, value, min, std::numeric_limits<double>::infinity());
}

std::string At(std::string_view list, int index) { return std::string(list) + "[" + std::to_string(index) + "]"; }

}  // namespace layernas::spec
