#include "client/spec/message_reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/duration.h"
#include "common/network/closest.h"
#include "common/spec/enum_names.h"

namespace layernas::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Limits, because aliases can make a small file endless.
constexpr int kMaxDepth = 32;
constexpr int kMaxValues = 3'000'000;
constexpr std::size_t kMaxMistakes = 1000;

Position PositionOf(const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? Position{} : Position{mark.line + 1, mark.column + 1};
}

std::string Join(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

std::string Quote(std::string_view text) {
  constexpr std::size_t kMaxLength = 40;
  return absl::StrCat("'", std::string(text.substr(0, kMaxLength)), text.size() > kMaxLength ? "…'" : "'");
}

// For example "is 'abc'" or "is a list".
std::string Is(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return absl::StrCat("is ", Quote(node.Scalar()));
    case YAML::NodeType::Sequence:
      return "is a list";
    case YAML::NodeType::Map:
      return "is a mapping";
    default:
      return "has no value";
  }
}

constexpr std::string_view kTextTag = "tag:yaml.org,2002:str";

// Returns whether the value is quoted or tagged as a string, and therefore always a string.
bool IsQuoted(const YAML::Node& node) { return node.Tag() == "!" || node.Tag() == kTextTag; }

// Returns whether the node has an explicit tag other than the one for strings.
bool HasForeignTag(const YAML::Node& node) {
  const std::string& tag = node.Tag();
  return !tag.empty() && tag != "?" && tag != "!" && tag != kTextTag;
}

std::string ListOf(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  names.reserve(type.field_count());
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

// Returns the field that a plain scalar sets, or null if the message has no such form.
const FieldDescriptor* ShorthandField(const Descriptor& type) {
  const FieldDescriptor* field = type.FindFieldByNumber(1);
  const bool usable =
      field != nullptr && !field->is_repeated() && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
  return usable ? field : nullptr;
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string_view WithoutZeros(std::string_view digits) {
  return digits.substr(std::min(digits.size(), digits.find_first_not_of('0')));
}

// Returns the nearest number if the text is a whole number that `value` only approximates, as above
// 2^53. Values that are not written digit by digit are approximate anyway.
std::optional<std::string> RoundedTo(std::string_view text, double value) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  const std::string exact = absl::StrFormat("%.0f", std::abs(value));
  if (WithoutZeros(text) == WithoutZeros(exact)) return std::nullopt;
  return (std::signbit(value) ? "-" : "") + exact;
}

// Sets `value`, or returns a message about what is wrong.
template <typename T>
std::optional<std::string> ParseWhole(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool complete = end == text.data() + text.size();
  if (error == std::errc() && complete) return std::nullopt;
  const bool negative = !text.empty() && text.front() == '-';
  if (std::int64_t zero = 1; std::is_unsigned_v<T> && negative && !ParseWhole(text, zero) && zero == 0) {
    value = 0;
    return std::nullopt;
  }
  if ((error == std::errc::result_out_of_range && complete) || (std::is_unsigned_v<T> && negative)) {
    const std::string limit = negative ? absl::StrCat("least ", std::numeric_limits<T>::min())
                                       : absl::StrCat("most ", std::numeric_limits<T>::max());
    return absl::StrCat("must be at ", limit, ", is ", Quote(text));
  }
  return absl::StrCat("must be a whole number, is ", Quote(text));
}

}  // namespace

bool MessageReader::Enter(const YAML::Node& node, const std::string& path) {
  if (values_ >= kMaxValues || mistakes_.size() >= kMaxMistakes) return false;
  if (++values_ == kMaxValues) {
    Fail(node, path, "the file has too many values, including aliases");
    return false;
  }
  if (depth_ >= kMaxDepth) {
    Fail(node, path, absl::StrCat("is nested more than ", kMaxDepth, " levels deep"));
    return false;
  }
  if (HasForeignTag(node)) {
    Fail(node, path, "must not have a YAML tag: the field determines the type");
    return false;
  }
  return true;
}

void MessageReader::Fail(const YAML::Node& node, const std::string& path, std::string message) {
  mistakes_.push_back({PositionOf(node), path, std::move(message)});
}

template <typename Visit>
bool MessageReader::ForEachEntry(const YAML::Node& node, const std::string& path, Visit visit) {
  if (!node.IsMap()) return false;
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      Fail(entry.first.Mark().is_null() ? node : entry.first, path, "must have plain names as keys");
      continue;
    }
    const std::string& key = entry.first.Scalar();
    const std::string inner = Join(path, key);
    if (key == "<<" && !IsQuoted(entry.first)) {
      Fail(entry.first, inner, "merge keys are not supported: write the entries out");
      continue;
    }
    if (!seen.insert(key).second) {
      Fail(entry.first, inner, "occurs twice in the same mapping: remove one of them");
      continue;
    }
    positions_.Add(inner, PositionOf(entry.second.IsScalar() ? entry.second : entry.first));
    if (!Enter(entry.second, inner)) continue;
    ++depth_;
    visit(entry.first, entry.second, inner);
    --depth_;
  }
  return true;
}

void MessageReader::ReadMessage(const YAML::Node& node, const std::string& path, Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  if (type.full_name() == google::protobuf::Duration::descriptor()->full_name()) {
    ReadDuration(node, path, message);
  } else if (type.full_name() == google::protobuf::Struct::descriptor()->full_name()) {
    ReadStruct(node, path, static_cast<google::protobuf::Struct&>(message));
  } else if (node.IsNull()) {
    // `random:` means the same as `random: {}`.
  } else if (const FieldDescriptor* field = ShorthandField(type); node.IsScalar() && field != nullptr) {
    const std::string inner = Join(path, field->name());
    positions_.Add(inner, PositionOf(node));
    ReadOne(node, inner, message, *field);
  } else {
    ReadMapping(node, path, message);
  }
}

void MessageReader::ReadMapping(const YAML::Node& node, const std::string& path, Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  const bool is_mapping =
      ForEachEntry(node, path, [&](const YAML::Node& key, const YAML::Node& value, const std::string& inner) {
        const FieldDescriptor* field = type.FindFieldByName(key.Scalar());
        if (field == nullptr) {
          const std::vector<std::string> names = FieldNames(type);
          std::string hint = DidYouMean(key.Scalar(), names);
          if (hint.empty())
            hint = names.empty() ? "; no field is allowed here" : absl::StrCat("; known here: ", ListOf(names));
          Fail(key, inner, absl::StrCat("unknown field", hint));
          return;
        }
        const google::protobuf::OneofDescriptor* choice = field->real_containing_oneof();
        if (choice != nullptr && message.GetReflection()->HasOneof(message, choice)) {
          const FieldDescriptor* other = message.GetReflection()->GetOneofFieldDescriptor(message, choice);
          Fail(key, inner, absl::StrCat("cannot be combined with ", other->name(), ": remove one of them"));
          return;
        }
        ReadField(value, inner, message, *field);
      });
  if (!is_mapping) {
    const std::vector<std::string> names = FieldNames(type);
    Fail(node, path,
         absl::StrCat("must be a mapping ", names.empty() ? "without entries" : "of ", ListOf(names), ", ", Is(node)));
  }
}

void MessageReader::ReadField(const YAML::Node& node, const std::string& path, Message& message, const Field& field) {
  if (field.is_map()) {
    ReadMap(node, path, message, field);
  } else if (field.is_repeated()) {
    ReadList(node, path, message, field);
  } else {
    ReadOne(node, path, message, field);
  }
}

void MessageReader::ReadList(const YAML::Node& node, const std::string& path, Message& message, const Field& field) {
  if (!node.IsSequence()) {
    Fail(node, path,
         absl::StrCat("must be a list, such as [", node.IsScalar() ? node.Scalar().substr(0, 40) : "…", "], ",
                      Is(node)));
    return;
  }
  int index = 0;
  for (const YAML::Node& item : node) {
    const std::string inner = absl::StrCat(path, "[", index++, "]");
    positions_.Add(inner, PositionOf(item));
    if (!Enter(item, inner)) return;
    ++depth_;
    ReadOne(item, inner, message, field);
    --depth_;
  }
}

void MessageReader::ReadMap(const YAML::Node& node, const std::string& path, Message& message, const Field& field) {
  const bool is_mapping =
      ForEachEntry(node, path, [&](const YAML::Node& key, const YAML::Node& value, const std::string& inner) {
        Message& entry = *message.GetReflection()->AddMessage(&message, &field);
        entry.GetReflection()->SetString(&entry, field.message_type()->map_key(), key.Scalar());
        ReadOne(value, inner, entry, *field.message_type()->map_value());
      });
  if (!is_mapping) Fail(node, path, absl::StrCat("must be a mapping, such as {name: value}, ", Is(node)));
}

void MessageReader::ReadOne(const YAML::Node& node, const std::string& path, Message& message, const Field& field) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    ReadMessage(
        node, path,
        field.is_repeated() ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field));
  } else if (node.IsScalar()) {
    ReadScalar(node, path, message, field);
  } else {
    Fail(node, path, absl::StrCat("must be a single value, ", Is(node)));
  }
}

void MessageReader::ReadScalar(const YAML::Node& node, const std::string& path, Message& message, const Field& field) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const std::string& text = node.Scalar();
  const auto whole = [&](auto value, auto set, auto add) {
    if (const auto wrong = ParseWhole(text, value)) {
      Fail(node, path, *wrong);
    } else if (field.is_repeated()) {
      (reflection.*add)(&message, &field, value);
    } else {
      (reflection.*set)(&message, &field, value);
    }
  };
  using Reflection = google::protobuf::Reflection;
  const bool is_text =
      field.cpp_type() == FieldDescriptor::CPPTYPE_STRING || field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
  if (!is_text && IsQuoted(node)) {
    Fail(node, path, absl::StrCat("must not be quoted, ", Is(node)));
    return;
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      whole(std::int32_t{}, &Reflection::SetInt32, &Reflection::AddInt32);
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      whole(std::uint32_t{}, &Reflection::SetUInt32, &Reflection::AddUInt32);
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (const std::optional<double> value = ParseDouble(text); !value.has_value()) {
        Fail(node, path, absl::StrCat("must be a number, ", Is(node)));
      } else if (field.is_repeated()) {
        reflection.AddDouble(&message, &field, *value);
      } else {
        reflection.SetDouble(&message, &field, *value);
      }
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") {
        Fail(node, path, absl::StrCat("must be true or false, ", Is(node)));
      } else {
        reflection.SetBool(&message, &field, text == "true");
      }
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> names;
      // The first value means "not set" and has no name in YAML.
      for (int i = 1; i < field.enum_type()->value_count(); ++i) {
        names.push_back(spec::NameInYaml(*field.enum_type()->value(i)));
        if (text != names.back()) continue;
        reflection.SetEnum(&message, &field, field.enum_type()->value(i));
        return;
      }
      Fail(node, path, absl::StrCat("must be ", ListOf(names), ", ", Is(node), DidYouMean(text, names)));
      return;
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.is_repeated()) {
        reflection.AddString(&message, &field, text);
      } else {
        reflection.SetString(&message, &field, text);
      }
      return;
    default:
      // Fields of a spec have no other types.
      Fail(node, path, "cannot be set in a spec file");
  }
}

void MessageReader::ReadDuration(const YAML::Node& node, const std::string& path, Message& message) {
  if (!node.IsScalar()) {
    Fail(node, path, absl::StrCat("must be a duration such as 90s, 30m or 1h30m, ", Is(node)));
    return;
  }
  const absl::StatusOr<std::chrono::milliseconds> parsed = ParseDuration(node.Scalar());
  if (!parsed.ok()) {
    Fail(node, path, std::string(parsed.status().message()));
    return;
  }
  auto& duration = static_cast<google::protobuf::Duration&>(message);
  duration.set_seconds(parsed->count() / 1000);
  duration.set_nanos(static_cast<std::int32_t>(parsed->count() % 1000) * 1'000'000);
}

void MessageReader::ReadStruct(const YAML::Node& node, const std::string& path, google::protobuf::Struct& fields) {
  if (node.IsNull()) return;
  const bool is_mapping =
      ForEachEntry(node, path, [&](const YAML::Node& key, const YAML::Node& value, const std::string& inner) {
        ReadValue(value, inner, (*fields.mutable_fields())[key.Scalar()]);
      });
  if (!is_mapping) Fail(node, path, absl::StrCat("must be a mapping, such as {name: value}, ", Is(node)));
}

void MessageReader::ReadValue(const YAML::Node& node, const std::string& path, google::protobuf::Value& value) {
  if (node.IsMap()) {
    ReadStruct(node, path, *value.mutable_struct_value());
  } else if (node.IsSequence()) {
    value.mutable_list_value();
    int index = 0;
    for (const YAML::Node& item : node) {
      const std::string inner = absl::StrCat(path, "[", index++, "]");
      if (!Enter(item, inner)) return;
      ++depth_;
      ReadValue(item, inner, *value.mutable_list_value()->add_values());
      --depth_;
    }
  } else if (!node.IsScalar()) {
    value.set_null_value(google::protobuf::NULL_VALUE);
  } else if (const std::string& text = node.Scalar(); !IsQuoted(node) && (text == "true" || text == "false")) {
    value.set_bool_value(text == "true");
  } else if (const auto number = IsQuoted(node) ? std::nullopt : ParseDouble(text)) {
    if (const auto rounded = RoundedTo(text, *number)) {
      Fail(node, path,
           absl::StrCat("must be quoted, because the number would be rounded to ", *rounded, ", ", Is(node)));
    }
    value.set_number_value(*number);
  } else {
    value.set_string_value(text);
  }
}

}  // namespace layernas::client
