#include "client/output/json.h"

#include <google/protobuf/util/json_util.h>

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

}  // namespace

void PrintJson(std::ostream& out, const google::protobuf::Message& message, JsonLayout layout) {
  out << ToJson(message, layout) << '\n';
}

JsonList::JsonList(std::ostream& out, std::string_view field) : out_(out) { out_ << "{\"" << field << "\": ["; }

JsonList::~JsonList() { out_ << (first_ ? "]}\n" : "\n]}\n"); }

void JsonList::Add(const google::protobuf::Message& item) {
  out_ << (first_ ? "\n" : ",\n") << ToJson(item, JsonLayout::kOneLine);
  first_ = false;
}

}  // namespace layernas::client
