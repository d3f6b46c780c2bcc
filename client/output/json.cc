#include "client/output/json.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "client/output/search_text.h"
#include "client/output/yaml.h"
#include "common/base/utf8.h"
#include "layernas/v1/search.pb.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::client {
namespace {

using Json = nlohmann::ordered_json;

std::string ToText(const google::protobuf::Message& message, JsonLayout layout) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = layout == JsonLayout::kIndented;
  std::string json;
  // Cannot fail for messages of our API, which contain no Any.
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  while (json.ends_with('\n')) json.pop_back();
  return json;
}

void MarkUnknown(const v1::Candidate& candidate, Json& json) {
  if (!HasCost(candidate)) json["cost"] = nullptr;
  if (candidate.state() == v1::CANDIDATE_STATE_SUCCEEDED) return;
  if (candidate.state() == v1::CANDIDATE_STATE_STOPPED) json["reward_estimate"] = json["reward"];
  json["reward"] = nullptr;
}

void MarkUnknown(const v1::Search& search, Json& json) {
  for (int i = 0; i < search.winners_size(); ++i) {
    if (search.winners(i).succeeded() > 0) continue;
    Json& winner = json["winners"][static_cast<std::size_t>(i)];
    for (const char* field : {"reward", "reward_deviation", "cost"}) winner[field] = nullptr;
  }
}

Json Parse(const google::protobuf::Message& message) {
  Json json = Json::parse(ToText(message, JsonLayout::kOneLine), nullptr, /*allow_exceptions=*/false);
  if (const auto* candidate = dynamic_cast<const v1::Candidate*>(&message)) MarkUnknown(*candidate, json);
  if (const auto* search = dynamic_cast<const v1::Search*>(&message)) MarkUnknown(*search, json);
  if (const auto* change = dynamic_cast<const v1::WatchSearchResponse*>(&message)) {
    if (change->has_candidate()) MarkUnknown(change->candidate(), json["candidate"]);
    if (change->has_search()) MarkUnknown(change->search(), json["search"]);
    if (change->has_snapshot()) MarkUnknown(change->snapshot(), json["snapshot"]);
  }
  return json;
}

std::string ToJson(const google::protobuf::Message& message, JsonLayout layout) {
  return JsonText(Parse(message), layout == JsonLayout::kIndented ? 1 : -1);
}

}  // namespace

std::string JsonText(const Json& json, int indent) {
  std::string text = json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  // Escape the text, so that it cannot control the terminal.
  if (Printable(text, Unprintable::kMarkInLines) == text) return text;
  return json.dump(indent, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

void PrintJson(std::ostream& out, const google::protobuf::Message& message, JsonLayout layout) {
  out << ToJson(message, layout) << '\n';
}

void PrintMessage(std::ostream& out, const google::protobuf::Message& message, OutputFormat format) {
  PrintMessage(out, message, Json::object(), format);
}

void PrintMessage(std::ostream& out, const google::protobuf::Message& message, const Json& more, OutputFormat format) {
  Json json = Parse(message);
  json.update(more);
  if (format == OutputFormat::kYaml) {
    out << ToYaml(json);
  } else {
    out << JsonText(json, 1) << '\n';
  }
}

Json PrintedWinners(const v1::Search& search) { return Parse(search)["winners"]; }

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
    // Prints the item as a list of one item.
    out_ << ToYaml(nlohmann::ordered_json::array({Parse(item)}));
  }
  first_ = false;
}

}  // namespace layernas::client
