// What comes from evaluators: lines of their answers, and tables of results.
#include <cmath>
#include <string>

#include "common/base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "worker/evaluator/csv.h"
#include "worker/evaluator/protocol.h"

namespace layernas {
namespace {

bool IsUtf8(std::string_view text) { return CutUtf8(text, text.size()) == text; }

void CheckAnswer(const Progress& progress) {
  FUZZ_CHECK(progress.epoch >= 0 && progress.epochs >= 0);
  FUZZ_CHECK(!progress.reward || std::isfinite(*progress.reward));
}

void CheckAnswer(const EvaluationResult& result) {
  FUZZ_CHECK(!result.metrics.empty());
  for (const auto& [name, value] : result.metrics) FUZZ_CHECK(IsUtf8(name) && std::isfinite(value));
  FUZZ_CHECK(!result.weights || (IsUtf8(result.weights->path) && result.weights->sha256.size() == 64));
}

void CheckAnswer(const EvaluationFailure& failure) { FUZZ_CHECK(IsUtf8(failure.message)); }

void CheckLine(std::string_view line) {
  const absl::StatusOr<EvaluatorMessage> message = ParseEvaluatorAnswer(line).message;
  if (message.ok()) {
    std::visit([](const auto& answer) { CheckAnswer(answer); }, *message);
  } else {
    FUZZ_CHECK(!message.status().message().empty());
  }
}

void CheckTable(std::string_view text) {
  const absl::StatusOr<CsvTable> table = ParseCsv(text, "table.csv");
  if (!table.ok()) {
    FUZZ_CHECK(std::string(table.status().message()).starts_with("table.csv:"));
    return;
  }
  int line = 1;
  for (const CsvRow& row : table->rows) {
    FUZZ_CHECK(row.cells.size() == table->columns.size());
    FUZZ_CHECK(row.line > line);
    line = row.line;
  }
}

}  // namespace
}  // namespace layernas

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = layernas::fuzz::View(data, size);
  layernas::CheckLine(text);
  layernas::CheckTable(text);
  return 0;
}
