// Fuzzes what evaluators produce: lines of answers, and tables of results.
#include <cmath>
#include <string>

#include "common/base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/worker/agent/completion_checks.h"
#include "worker/agent/convert.h"
#include "worker/evaluator/csv.h"
#include "worker/evaluator/protocol.h"

namespace layernas {
namespace {

bool IsUtf8(std::string_view text) { return CutUtf8(text, text.size()) == text; }

void CheckProgress(const Progress& progress) {
  FUZZ_CHECK(progress.epoch >= 0 && progress.epochs >= 0);
  FUZZ_CHECK(!progress.reward || std::isfinite(*progress.reward));
  LearningCurve curve;
  AddToCurve(curve, progress);
  FUZZ_CHECK(curve.empty() || std::isfinite(curve[0].reward()));
  FUZZ_CHECK(std::isfinite(static_cast<float>(ToProto(progress).reward())));
}

// Checks that the controller can accept the outcome of the line.
void CheckOutcome(const EvaluationOutcome& outcome) { FUZZ_CHECK(FaultOf(*ToCompletion({}, outcome)).empty()); }

void CheckLine(std::string_view line) {
  const EvaluatorAnswer answer = ParseEvaluatorAnswer(line);
  FUZZ_CHECK(!answer.task || IsUtf8(*answer.task));
  if (!answer.message.ok()) {
    FUZZ_CHECK(!answer.message.status().message().empty());
    CheckOutcome(EvaluationFailure{.message = std::string(answer.message.status().message())});
  } else if (const auto* progress = std::get_if<Progress>(&*answer.message)) {
    CheckProgress(*progress);
  } else if (std::holds_alternative<Loading>(*answer.message)) {
    FUZZ_CHECK(answer.left_out.empty());
  } else if (const auto* result = std::get_if<EvaluationResult>(&*answer.message)) {
    CheckOutcome(*result);
  } else {
    CheckOutcome(std::get<EvaluationFailure>(*answer.message));
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
