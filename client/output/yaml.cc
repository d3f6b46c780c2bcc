#include "client/output/yaml.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>

namespace layernas::client {
namespace {

using Json = nlohmann::ordered_json;

// What no reader takes for anything but this text: a name that is no number, truth value or null of YAML 1.1.
bool IsPlain(std::string_view text) {
  constexpr std::array<std::string_view, 9> kTaken = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text[0])) == 0) return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' || c == '/';
      })) {
    return false;
  }
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::find(kTaken.begin(), kTaken.end(), lower) == kTaken.end();
}

// JSON's quoted strings and numbers are YAML's too.
std::string Scalar(const Json& value) {
  if (value.is_string() && IsPlain(value.get_ref<const std::string&>())) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool IsOnOneLine(const Json& value) {
  return !value.is_structured() || value.empty() ||
         (value.is_array() &&
          std::none_of(value.begin(), value.end(), [](const Json& each) { return each.is_structured(); }));
}

std::string OneLine(const Json& value) {
  if (!value.is_structured()) return Scalar(value);
  if (value.is_object()) return "{}";
  std::string text = "[";
  for (const Json& each : value) {
    if (text.size() > 1) text += ", ";
    text += Scalar(each);
  }
  return text + "]";
}

// `value` is structured and not on one line. Its first line goes on where the caller's ended.
void Write(const Json& value, std::size_t indent, std::string& out) {
  bool first = true;
  for (const auto& [key, each] : value.items()) {
    if (!std::exchange(first, false)) out.append(indent, ' ');
    const std::string head = value.is_object() ? Scalar(key) + ":" : "-";
    out += head;
    if (IsOnOneLine(each)) {
      out += ' ' + OneLine(each) + '\n';
    } else if (value.is_object()) {
      out += '\n';
      out.append(indent + 2, ' ');
      Write(each, indent + 2, out);
    } else {
      out += ' ';
      Write(each, indent + 2, out);
    }
  }
}

}  // namespace

std::string ToYaml(const Json& value) {
  if (IsOnOneLine(value)) return OneLine(value) + "\n";
  std::string out;
  Write(value, 0, out);
  return out;
}

}  // namespace layernas::client
