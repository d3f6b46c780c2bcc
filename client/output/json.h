// Messages as JSON or YAML: the JSON mapping of protobuf, with the field names of the proto files
// and including zeros.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <string_view>

#include "client/output/format.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

enum class JsonLayout { kIndented, kOneLine };

// Returns JSON that is safe to print: if a text contains characters that control a terminal, all
// non-ASCII characters are escaped. Replaces bytes that are not UTF-8. An `indent` of -1 gives one
// line.
std::string JsonText(const nlohmann::ordered_json& json, int indent);

// An unknown reward or cost of a candidate or winner is null instead of 0. The estimated reward of
// a stopped candidate is "reward_estimate". Ends with a line feed.
void PrintJson(std::ostream& out, const google::protobuf::Message& message, JsonLayout layout);
// `format` is kJson or kYaml.
void PrintMessage(std::ostream& out, const google::protobuf::Message& message, OutputFormat format);
// Adds the fields of `more` at the end.
void PrintMessage(std::ostream& out, const google::protobuf::Message& message, const nlohmann::ordered_json& more,
                  OutputFormat format);
// Returns the winners as they are printed with the search.
nlohmann::ordered_json PrintedWinners(const v1::Search& search);

inline bool IsForPrograms(OutputFormat format) {
  return format == OutputFormat::kJson || format == OutputFormat::kYaml;
}

// Prints {"candidates": [ … ]} item by item, so that a list can have any length. The destructor
// writes the end.
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
