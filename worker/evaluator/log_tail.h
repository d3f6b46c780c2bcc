// The last lines that an evaluator writes during a task.
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

  // Adds one line of any bytes, without its line feed. If carriage returns overwrite the line, as
  // progress bars do, only its last visible state is kept.
  void Add(std::string_view line);
  // Returns the tail and clears it.
  EvaluatorLog Take();

 private:
  const std::size_t most_bytes_;
  std::deque<std::string> lines_;
  // The size of lines_, with their line feeds.
  std::size_t bytes_ = 0;
  std::int64_t omitted_bytes_ = 0;
};

}  // namespace layernas
