#include "common/network/object_reader.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "common/network/closest.h"
#include "common/network/errors.h"

namespace layernas::network {
namespace {

// Cuts long external values for messages.
std::string Shown(const nlohmann::json& value) {
  constexpr std::size_t kMaxShown = 60;
  // Invalid UTF-8 must not throw while an error message is built.
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

template <typename T>
std::string Range(const char* what, T min, T max) {
  std::ostringstream text;
  text << what << " from " << min << " to " << max;
  return text.str();
}

}  // namespace

ObjectReader::ObjectReader(const nlohmann::json& value, std::string path) : object_(value), path_(std::move(path)) {
  if (!value.is_object()) throw InfeasibleError(path_ + " must be an object, but is " + Shown(value));
}

const nlohmann::json* ObjectReader::Value(const std::string& name) {
  known_.push_back(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::int64_t> ObjectReader::Integer(const std::string& name, std::int64_t min, std::int64_t max) {
  const nlohmann::json* value = Value(name);
  if (value == nullptr) return std::nullopt;
  const std::string expected = Range("a whole number", min, max);
  if (!value->is_number()) Refuse(name, expected);
  // Exact for every range in use, and safe for values beyond int64.
  const double number = value->get<double>();
  if (!(number >= static_cast<double>(min) && number <= static_cast<double>(max)) || number != std::floor(number)) {
    Refuse(name, expected);
  }
  return static_cast<std::int64_t>(number);
}

std::optional<double> ObjectReader::Number(const std::string& name, double min, double max) {
  const nlohmann::json* value = Value(name);
  if (value == nullptr) return std::nullopt;
  const std::string expected = Range("a number", min, max);
  if (!value->is_number()) Refuse(name, expected);
  const double number = value->get<double>();
  if (!(number >= min && number <= max)) Refuse(name, expected);
  return number;
}

std::optional<std::string> ObjectReader::String(const std::string& name) {
  const nlohmann::json* value = Value(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) Refuse(name, "a string");
  return value->get<std::string>();
}

std::optional<bool> ObjectReader::Bool(const std::string& name) {
  const nlohmann::json* value = Value(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) Refuse(name, "true or false");
  return value->get<bool>();
}

void ObjectReader::RefuseUnknownFields() const {
  for (const auto& [name, value] : object_.items()) {
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      throw InfeasibleError(path_ + " has no field '" + name + "'" + DidYouMean(name, known_));
    }
  }
}

void ObjectReader::Refuse(const std::string& name, const std::string& expected) const {
  throw InfeasibleError(path_ + "." + name + " must be " + expected + ", but is " + Shown(object_.at(name)));
}

}  // namespace layernas::network
