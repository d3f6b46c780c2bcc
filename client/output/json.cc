#include "client/output/json.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "client/output/yaml.h"

namespace layernas::client {
namespace {

std::string ToJson(const google::protobuf::Message& message, JsonLayout layout) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = layout == JsonLayout::kIndented;
  std::string json;
  // Can't fail for messages of our API: they hold no Any.
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  while (json.ends_with('\n')) json.pop_back();
  return json;
}

nlohmann::ordered_json Parse(const google::protobuf::Message& message) {
  return nlohmann::ordered_json::parse(ToJson(message, JsonLayout::kOneLine), nullptr, /*allow_exceptions=*/false);
}

std::string AsYaml(const google::protobuf::Message& message) { return ToYaml(Parse(message)); }

}  // namespace

void PrintJson(std::ostream& out, const google::protobuf::Message& message, JsonLayout layout) {
  out << ToJson(message, layout) << '\n';
}

void PrintMessage(std::ostream& out, const google::protobuf::Message& message, OutputFormat format) {
  if (format == OutputFormat::kYaml) {
    out << AsYaml(message);
  } else {
    PrintJson(out, message, JsonLayout::kIndented);
  }
}

MessageList::MessageList(std::ostream& out, std::string_view field, OutputFormat format)
    : out_(out), field_(field), format_(format) {
  if (format_ == OutputFormat::kJson) out_ << "{\"" << field_ << "\": [";
}

MessageList::~MessageList() {
  if (format_ == OutputFormat::kJson) {
    out_ << (first_ ? "]}\n" : "\n]}\n");
  } else if (first_) {
    out_ << field_ << ": []\n";
  }
}

void MessageList::Add(const google::protobuf::Message& item) {
  if (format_ == OutputFormat::kJson) {
    out_ << (first_ ? "\n" : ",\n") << ToJson(item, JsonLayout::kOneLine);
  } else {
    if (first_) out_ << field_ << ":\n";
    // A list of one item.
    out_ << ToYaml(nlohmann::ordered_json::array({Parse(item)}));
  }
  first_ = false;
}

}  // namespace layernas::client
