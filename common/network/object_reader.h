// Strict reading of a JSON object: what is of the wrong type, out of range or unknown is refused by its full name.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace layernas::network {

// Reads the fields of one object; every getter throws InfeasibleError for a value that does not fit, and returns
// nothing for a field that is absent or null. The object must outlive the reader. Not thread-safe.
class ObjectReader {
 public:
  // `path` names the object in messages, for example "train".
  // Throws InfeasibleError if `value` is not an object.
  ObjectReader(const nlohmann::json& value, std::string path);

  // A whole number in [min, max]. 5.0 is one too: numbers that went through a protobuf Struct are all floating point.
  std::optional<std::int64_t> Integer(const std::string& name, std::int64_t min, std::int64_t max);
  // A finite number in [min, max].
  std::optional<double> Number(const std::string& name, double min, double max);
  std::optional<std::string> String(const std::string& name);
  std::optional<bool> Bool(const std::string& name);
  // The value as it is, or null.
  const nlohmann::json* Value(const std::string& name);

  // Call when all known fields have been asked for. Throws InfeasibleError for the first field that was not.
  void RefuseUnknownFields() const;

  const std::string& path() const { return path_; }

 private:
  [[noreturn]] void Refuse(const std::string& name, const std::string& expected) const;

  const nlohmann::json& object_;
  const std::string path_;
  std::vector<std::string> known_;
};

}  // namespace layernas::network
