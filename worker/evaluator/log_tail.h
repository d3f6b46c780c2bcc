// The end of what an evaluator says in one task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "worker/evaluator/evaluator.h"

namespace layernas {

// Not thread-safe.
class LogTail {
 public:
  explicit LogTail(std::size_t most_bytes = 16 << 10) : most_bytes_(most_bytes) {}

  // One line of any bytes, without its line feed. Of one that was written over again and again (by carriage returns, as
  // progress bars do), what was last to be seen.
  void Add(std::string_view line);
  // Moves what there is out, and begins anew.
  EvaluatorLog Take();

 private:
  const std::size_t most_bytes_;
  std::deque<std::string> lines_;
  // Of lines_, with their line feeds.
  std::size_t bytes_ = 0;
  std::int64_t omitted_bytes_ = 0;
};

}  // namespace layernas
