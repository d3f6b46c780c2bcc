// Protobuf's JSON mapping, with the field names of the proto files and without leaving out zeros.
#pragma once

#include <google/protobuf/message.h>

#include <ostream>
#include <string>
#include <string_view>

namespace layernas::client {

enum class JsonLayout { kIndented, kOneLine };

// With a line feed at the end.
void PrintJson(std::ostream& out, const google::protobuf::Message& message, JsonLayout layout);

// {"candidates": [ … ]}, item by item, so that a list of any length can be printed. The end is written on destruction.
class JsonList {
 public:
  JsonList(std::ostream& out, std::string_view field);
  ~JsonList();
  JsonList(const JsonList&) = delete;
  JsonList& operator=(const JsonList&) = delete;

  void Add(const google::protobuf::Message& item);

 private:
  std::ostream& out_;
  bool first_ = true;
};

}  // namespace layernas::client
