#include "worker/evaluator/log_tail.h"

#include <utility>

#include "common/base/utf8.h"

namespace layernas {

void LogTail::Add(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (const std::size_t begin = line.rfind('\r'); begin != std::string_view::npos) {
    omitted_bytes_ += static_cast<std::int64_t>(begin + 1);
    line.remove_prefix(begin + 1);
  }
  const std::string text = CutUtf8(line, line.size());
  lines_.emplace_back(LastOfUtf8(text, most_bytes_ - 1));
  omitted_bytes_ += static_cast<std::int64_t>(text.size() - lines_.back().size());
  bytes_ += lines_.back().size() + 1;
  while (bytes_ > most_bytes_) {
    omitted_bytes_ += static_cast<std::int64_t>(lines_.front().size() + 1);
    bytes_ -= lines_.front().size() + 1;
    lines_.pop_front();
  }
}

EvaluatorLog LogTail::Take() {
  EvaluatorLog log;
  log.tail.reserve(bytes_);
  for (const std::string& line : lines_) {
    log.tail += line;
    log.tail += '\n';
  }
  log.omitted_bytes = std::exchange(omitted_bytes_, 0);
  lines_.clear();
  bytes_ = 0;
  return log;
}

}  // namespace layernas
