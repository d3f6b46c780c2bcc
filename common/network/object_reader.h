// Strict reading of a JSON object: rejects values of the wrong type, values out of range, and
// unknown fields, by their full names.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace layernas::network {

// Reads the fields of one object. Every getter throws InfeasibleError for an invalid value, and
// returns nothing for an absent or null field. The object must outlive the reader. Not thread-safe.
class ObjectReader {
 public:
  // `path` is the name of the object in messages, for example "train". Throws InfeasibleError if
  // `value` is not an object.
  ObjectReader(const nlohmann::json& value, std::string path);

  // Returns a whole number in [min, max]. 5.0 counts as whole, because a protobuf Struct has only
  // floating-point numbers.
  std::optional<std::int64_t> Integer(const std::string& name, std::int64_t min, std::int64_t max);
  // Returns a finite number in [min, max].
  std::optional<double> Number(const std::string& name, double min, double max);
  std::optional<std::string> String(const std::string& name);
  std::optional<bool> Bool(const std::string& name);
  // Returns the value unchanged, or null.
  const nlohmann::json* Value(const std::string& name);

  // Call after all known fields were read. Throws InfeasibleError for the first unread field.
  void RefuseUnknownFields() const;

  const std::string& path() const { return path_; }

 private:
  [[noreturn]] void Refuse(const std::string& name, const std::string& expected) const;

  const nlohmann::json& object_;
  const std::string path_;
  std::vector<std::string> known_;
};

}  // namespace layernas::network
