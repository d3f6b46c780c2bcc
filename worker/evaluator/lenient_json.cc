#include "worker/evaluator/lenient_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

#include "common/base/utf8.h"

namespace layernas {
namespace {

constexpr int kMaxDepth = 100;

bool IsNumberPart(char c) { return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E'; }

// Returns the code unit if the text starts with an escape \uXXXX.
std::optional<unsigned> EscapedUnit(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  unsigned unit = 0;
  for (const char c : text.substr(2, 4)) {
    unit <<= 4;
    if (c >= '0' && c <= '9') {
      unit += static_cast<unsigned>(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      unit += static_cast<unsigned>((c | 0x20) - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return unit;
}

bool IsHighSurrogate(unsigned unit) { return unit >= 0xd800 && unit <= 0xdbff; }
bool IsLowSurrogate(unsigned unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

// Rewrites a text token by token into JSON that the parser accepts.
class Rewriter {
 public:
  explicit Rewriter(std::string_view text) : rest_(text) { json_.reserve(text.size()); }

  absl::StatusOr<std::string> Rewrite() {
    int depth = 0;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      if (depth > kMaxDepth) {
        return absl::InvalidArgumentError("JSON nested deeper than " + std::to_string(kMaxDepth));
      }
      if (c == '"') {
        String();
      } else if (IsNumberPart(c) && !rest_.starts_with("-Infinity")) {
        Number();
      } else if (!Replace("NaN", "null") && !Replace("-Infinity", "null") && !Replace("Infinity", "null")) {
        Take(1);
      }
    }
    return std::move(json_);
  }

 private:
  void Take(std::size_t bytes) {
    json_ += rest_.substr(0, bytes);
    rest_.remove_prefix(std::min(bytes, rest_.size()));
  }

  bool Replace(std::string_view token, std::string_view by) {
    if (!rest_.starts_with(token)) return false;
    json_ += by;
    rest_.remove_prefix(token.size());
    return true;
  }

  void Number() {
    std::size_t size = 0;
    while (size < rest_.size() && IsNumberPart(rest_[size])) ++size;
    const std::string token(rest_.substr(0, size));
    char* end = nullptr;
    const double value = std::strtod(token.c_str(), &end);
    if (*end == '\0' && std::isinf(value)) {
      Replace(token, "null");
    } else {
      Take(size);
    }
  }

  void String() {
    Take(1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c != '\\') {
        Take(1);
        if (c == '"') return;
        continue;
      }
      const std::optional<unsigned> unit = EscapedUnit(rest_);
      if (!unit) {
        Take(2);
      } else if (IsHighSurrogate(*unit)) {
        const std::optional<unsigned> next = EscapedUnit(rest_.substr(6));
        if (next && IsLowSurrogate(*next)) {
          Take(12);
        } else {
          Replace(rest_.substr(0, 6), "?");
        }
      } else if (IsLowSurrogate(*unit)) {
        Replace(rest_.substr(0, 6), "?");
      } else {
        Take(6);
      }
    }
  }

  std::string_view rest_;
  std::string json_;
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseLenientJson(std::string_view text) {
  const std::string well_formed = CutUtf8(text, text.size());
  absl::StatusOr<std::string> rewritten = Rewriter(well_formed).Rewrite();
  if (!rewritten.ok()) return rewritten.status();
  nlohmann::json value = nlohmann::json::parse(*rewritten, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return absl::InvalidArgumentError("not JSON");
  return value;
}

}  // namespace layernas
