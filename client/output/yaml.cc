#include "client/output/yaml.h"

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/emittermanip.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/base/utf8.h"

namespace layernas::client {
namespace {

using Json = nlohmann::ordered_json;

// Returns whether every YAML reader reads the text as a string: it is not a number, truth value or
// null of YAML 1.1.
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

void EmitText(const std::string& text, YAML::Emitter& out) {
  // The library would not quote "no" and "1".
  if (!IsPlain(text)) out << YAML::DoubleQuoted;
  out << text;
}

// Numbers and literals of JSON are valid in YAML, with one exception: YAML 1.1 reads a number with
// an exponent but without a point, such as 1e-05, as a string.
std::string NumberOrLiteral(const Json& value) {
  std::string text = value.dump();
  const std::size_t exponent = value.is_number_float() ? text.find('e') : std::string::npos;
  if (exponent != std::string::npos && text.find('.') == std::string::npos) text.insert(exponent, ".0");
  return text;
}

void Emit(const Json& value, YAML::Emitter& out) {
  if (value.is_object()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [key, each] : value.items()) {
      out << YAML::Key;
      EmitText(key, out);
      out << YAML::Value;
      Emit(each, out);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    if (std::none_of(value.begin(), value.end(), [](const Json& each) { return each.is_structured(); })) {
      out << YAML::Flow;
    }
    out << YAML::BeginSeq;
    for (const Json& each : value) Emit(each, out);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    EmitText(value.get_ref<const std::string&>(), out);
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << NumberOrLiteral(value);
  }
}

}  // namespace

std::string ToYaml(const Json& value) {
  const auto emitted = [&value](YAML::EMITTER_MANIP charset) {
    YAML::Emitter out;
    out.SetOutputCharset(charset);
    Emit(value, out);
    return std::string(out.c_str()) + "\n";
  };
  std::string text = emitted(YAML::EmitNonAscii);
  // Escape the text, so that it cannot control the terminal.
  return Printable(text, Unprintable::kMarkInLines) == text ? text : emitted(YAML::EscapeNonAscii);
}

}  // namespace layernas::client
