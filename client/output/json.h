// Messages for programs: protobuf's JSON mapping, with the field names of the proto files and without leaving out
// zeros; as JSON or YAML.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <string_view>

#include "client/output/format.h"

namespace layernas::client {

enum class JsonLayout { kIndented, kOneLine };

// Returns JSON whose texts steer no terminal: what could is escaped, as all that is not ASCII is then. Bytes that are
// not UTF-8 are replaced. An `indent` of -1 gives one line.
std::string JsonText(const nlohmann::ordered_json& json, int indent);

// Where a candidate or winner has no reward or cost, it is null here and not 0; what is only estimated for a candidate
// that was stopped is "reward_estimate". With a line feed at the end.
void PrintJson(std::ostream& out, const google::protobuf::Message& message, JsonLayout layout);
// `format` is kJson or kYaml.
void PrintMessage(std::ostream& out, const google::protobuf::Message& message, OutputFormat format);

inline bool IsForPrograms(OutputFormat format) {
  return format == OutputFormat::kJson || format == OutputFormat::kYaml;
}

// {"candidates": [ … ]}, item by item, so that a list of any length can be printed. The end is written on destruction.
class MessageList {
 public:
  MessageList(std::ostream& out, std::string_view field, OutputFormat format);
  ~MessageList();
  MessageList(const MessageList&) = delete;
  MessageList& operator=(const MessageList&) = delete;

  void Add(const google::protobuf::Message& item);

 private:
  std::ostream& out_;
  const std::string field_;
  const OutputFormat format_;
  bool first_ = true;
};

}  // namespace layernas::client
