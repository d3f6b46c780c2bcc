#include "common/cli/configuration_file.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/base/read_file.h"
#include "common/base/status_macros.h"
#include "common/cli/yaml_structure.h"

namespace layernas::cli {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;

std::string Place(const std::string& path, const YAML::Mark& mark) {
  return mark.is_null() ? path : absl::StrCat(path, ":", mark.line + 1);
}

absl::StatusOr<std::vector<std::string>> Values(const YAML::Node& node) {
  if (node.IsScalar()) return std::vector<std::string>{node.Scalar()};
  if (node.IsNull()) return absl::InvalidArgumentError("has no value; remove the line to use the default");
  if (!node.IsSequence()) return absl::InvalidArgumentError("must be a value or a list of values");
  std::vector<std::string> values;
  for (const YAML::Node& each : node) {
    if (!each.IsScalar()) return absl::InvalidArgumentError("each item of the list must be a value");
    values.push_back(each.Scalar());
  }
  return values;
}

absl::StatusOr<std::vector<FileSetting>> Settings(const std::string& path, const YAML::Node& root) {
  std::vector<FileSetting> settings;
  // The file has only comments.
  if (root.IsNull()) return settings;
  if (!root.IsMap()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Place(path, root.Mark()), ": must be lines of the form 'option: value'"));
  }
  std::map<std::string, std::string> places;
  for (const auto& line : root) {
    const YAML::Node& key = line.first;
    const std::string place = Place(path, key.Mark());
    if (!key.IsScalar()) return absl::InvalidArgumentError(absl::StrCat(place, ": the option name must be a text"));
    const auto [first, is_new] = places.emplace(key.Scalar(), place);
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": ", key.Scalar(), ": is already set at ", first->second));
    }
    absl::StatusOr<std::vector<std::string>> values = Values(line.second);
    if (!values.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": ", key.Scalar(), ": ", std::string(values.status().message())));
    }
    settings.push_back({key.Scalar(), *std::move(values), place});
  }
  return settings;
}

}  // namespace

absl::StatusOr<std::vector<FileSetting>> ReadConfigurationFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxBytes + 1);
  if (!text.ok()) {
    return absl::Status(text.status().code(), absl::StrCat(path, ": cannot read this configuration file: ",
                                                           text.status().message(), "; choose another with --config"));
  }
  if (text->size() > kMaxBytes) return absl::InvalidArgumentError(path + ": is larger than 1 MiB");
  try {
    // Without these checks, the rest of the file would be ignored, perhaps with the options that
    // restrict access.
    const YamlStructure structure = FindStructure(*text);
    if (structure.percent_line != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", structure.percent_line, ": a line cannot begin with %"));
    }
    if (!structure.open_quote.is_null()) {
      return absl::InvalidArgumentError(Place(path, structure.open_quote) + ": this quote is never closed");
    }
    if (!structure.key_without_colon.is_null()) {
      return absl::InvalidArgumentError(Place(path, structure.key_without_colon) + ": no colon follows this key");
    }
    if (!structure.second_document.is_null()) {
      return absl::InvalidArgumentError(Place(path, structure.second_document) +
                                        ": begins a second YAML document; use one per file");
    }
    return Settings(path, YAML::Load(*text));
  } catch (const YAML::DeepRecursion&) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is nested too deeply"));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(Place(path, error.mark), ": ", error.msg));
  }
}

}  // namespace layernas::cli
