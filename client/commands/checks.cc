#include "client/commands/checks.h"

#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/network/closest.h"

namespace layernas::client {

CLI::Validator WholeNumber(std::int64_t lowest) {
  return CLI::Validator(
      [lowest](std::string& text) -> std::string {
        std::int64_t value = 0;
        if (absl::SimpleAtoi(text, &value) && value >= lowest) return "";
        return absl::StrCat("must be a whole number of at least ", lowest, ", is '", text, "'");
      },
      "");
}

CLI::Validator AboveZero() {
  return CLI::Validator(
      [](std::string& text) -> std::string {
        double value = 0;
        if (absl::SimpleAtod(text, &value) && std::isfinite(value) && value > 0) return "";
        return absl::StrCat("must be a finite number above 0, is '", text, "'");
      },
      "");
}

CLI::Validator OneOf(const std::map<std::string, int>& names) {
  return CLI::Validator(
      [names](std::string& text) -> std::string {
        if (const auto found = names.find(text); found != names.end()) {
          text = std::to_string(found->second);
          return "";
        }
        std::vector<std::string> words;
        std::string list;
        for (const auto& [name, value] : names) {
          absl::StrAppend(&list, words.empty() ? "" : words.size() + 1 == names.size() ? " or " : ", ", name);
          words.push_back(name);
        }
        return absl::StrCat("must be ", list, ", is '", text, "'", DidYouMean(text, words));
      },
      "");
}

}  // namespace layernas::client
