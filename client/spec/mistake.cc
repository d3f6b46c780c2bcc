#include "client/spec/mistake.h"

#include "absl/strings/str_cat.h"

namespace layernas::client {

std::string FormatMistake(const std::string& file, const Mistake& mistake) {
  std::string text = file;
  if (mistake.position.line > 0) {
    absl::StrAppend(&text, ":", mistake.position.line, ":", mistake.position.column);
  }
  if (!mistake.field.empty()) absl::StrAppend(&text, ": ", mistake.field);
  return absl::StrCat(text, ": ", mistake.message);
}

Position FieldPositions::Find(std::string field) const {
  while (!field.empty()) {
    if (const auto it = positions_.find(field); it != positions_.end()) return it->second;
    field = ContainerOf(field);
  }
  return {};
}

std::string ContainerOf(const std::string& field) {
  const std::size_t end = field.find_last_of(".[");
  return end == std::string::npos ? "" : field.substr(0, end);
}

}  // namespace layernas::client
