#include "common/network/closest.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace layernas {
namespace {

// Counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string DidYouMean(const std::string& written, const std::vector<std::string>& words) {
  // Longer words are not typing mistakes, and would cost time.
  constexpr std::size_t kMaxLength = 100;
  if (written.size() > kMaxLength) return "";
  std::size_t closest = std::clamp<std::size_t>(written.size() / 3, 1, 3) + 1;
  std::string suggestion;
  for (const std::string& word : words) {
    const std::size_t distance = EditDistance(written, word);
    if (distance >= closest) continue;
    closest = distance;
    suggestion = "; did you mean '" + word + "'?";
  }
  return suggestion;
}

}  // namespace layernas
