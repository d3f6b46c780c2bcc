// Finds mistakes in YAML that yaml-cpp accepts in silence.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>

namespace layernas::cli {

struct YamlStructure {
  // Where the second document begins; null if there is none. YAML::Load() reads only the first.
  YAML::Mark second_document = YAML::Mark::null_mark();
  // The quote that is never closed; null if there is none. YAML::Load() takes the rest of the text
  // for the quoted value.
  YAML::Mark open_quote = YAML::Mark::null_mark();
  // The key in a block mapping that has no colon; null if there is none. YAML::Load() takes it for a
  // key without a value.
  YAML::Mark key_without_colon = YAML::Mark::null_mark();
  // The line, from 1, that begins with % and is no directive of YAML before the document; 0 if there
  // is none.
  // YAML::Load() ignores it.
  int percent_line = 0;
};

// Throws YAML::Exception if the text is not valid YAML.
YamlStructure FindStructure(const std::string& text);

}  // namespace layernas::cli
