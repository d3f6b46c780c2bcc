// Fuzzes the API's messages. Whatever a peer sends is refused or becomes values that the engine can
// handle, and what goes out can be read. Input is a byte that says the type, and then a message,
// either in protobuf's text format or as bytes.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <string>

#include "common/base/task_limits.h"
#include "common/spec/resolve.h"
#include "common/spec/validate.h"
#include "controller/service/convert.h"
#include "controller/service/page_token.h"
#include "controller/service/task_encoder.h"
#include "controller/service/worker_calls.h"
#include "controller/spec/core_config.h"
#include "tests/fuzz/fuzz.h"

namespace layernas {
namespace {

class Silent final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
};

template <typename Message>
bool Parse(std::string_view input, Message& message) {
  Silent silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  parser.SetRecursionLimit(50);
  if (parser.ParseFromString(std::string(input), &message)) {
    // As it would arrive from a peer.
    const std::string bytes = message.SerializeAsString();
    return message.ParseFromString(bytes);
  }
  return message.ParseFromArray(input.data(), static_cast<int>(input.size()));
}

template <typename Message>
void CheckReadable(const Message& message) {
  Message again;
  FUZZ_CHECK(again.ParseFromString(message.SerializeAsString()));
}

void CheckCompletions(std::string_view input) {
  v1::CompleteTasksRequest request;
  if (!Parse(input, request)) return;
  for (const v1::Completion& completion : request.completions()) {
    const Report report = ToReport(completion);
    // A result that cannot be used is a failure that says why.
    FUZZ_CHECK(!report.result || !report.is_invalid);
    FUZZ_CHECK(report.result || !report.is_invalid || !report.message.empty());
    FUZZ_CHECK(report.token.size() <= kMaxNameBytes);
    if (report.result) {
      FUZZ_CHECK(report.result->metrics.size() == completion.result().metrics().size());
      FUZZ_CHECK(report.result->metrics.size() <= kMaxMetrics);
      FUZZ_CHECK(report.result->curve.size() <= kMaxCurvePoints);
      FUZZ_CHECK(report.result->weights.size() <= 1);
    }
    if (const auto token = ParseLeaseToken(report.token)) FUZZ_CHECK(FormatLeaseToken(*token) == report.token);
    // The report is shown to clients.
    core::Candidate candidate;
    candidate.worker = request.worker_id();
    candidate.failures = {{1, report.failure, request.worker_id(), report.message, 1}};
    if (report.result) candidate.metrics = report.result->metrics;
    FUZZ_CHECK(report.message.size() <= 2100);
    if (report.log) {
      FUZZ_CHECK(!report.log->tail.empty() || report.log->omitted_bytes > 0);
      FUZZ_CHECK(report.log->tail.size() <= (16 << 10));
      FUZZ_CHECK(report.log->omitted_bytes >= 0);
      v1::GetTaskLogResponse response;
      Fill(TaskLogView{1, *report.log, {1}}, response);
      CheckReadable(response);
    }
    CheckReadable(ToWire(candidate, v1::SearchSpec(), "searches/x-1"));
  }
}

void CheckWorker(std::string_view input) {
  v1::LeaseTasksRequest request;
  if (!Parse(input, request)) return;
  const WorkerInfo info = FromWire(request.worker(), "caller");
  CheckReadable(ToWire(WorkerView{info, {"searches/x-1/candidates/1"}, {TaskProgress{1, 5, 0.5}}, Millis{1500}}));
  const Millis wait = FromDuration(request.max_wait());
  // Within the range by which a clock can be moved.
  FUZZ_CHECK(std::abs(wait.count()) <= std::int64_t{101} * 366 * 24 * 3600 * 1000);
  FUZZ_CHECK(FromDuration(ToDuration(wait)) == wait);
}

void CheckNames(std::string_view input) {
  v1::ListCandidatesRequest request;
  if (!Parse(input, request)) return;
  if (const auto name = ParseSearchName(request.parent())) {
    FUZZ_CHECK(SearchName(name->slug, name->id) == request.parent());
  }
  if (const auto token = ParsePageToken(request.page_token(), 0); token.ok() && !request.page_token().empty()) {
    FUZZ_CHECK(FormatPageToken(*token) == request.page_token());
  }
  if (const auto size = PageSize(request.page_size()); size.ok()) FUZZ_CHECK(*size >= 1 && *size <= 1000);
  for (const int state : request.states()) {
    const auto known = FromWire(static_cast<v1::CandidateState>(state));
    if (known) FUZZ_CHECK(ToWire(*known) == state);
  }
}

void CheckTask(const TaskEncoder& parsed, const core::Architecture& architecture) {
  const v1::SearchSpec& spec = parsed.spec();
  const LeasedTask leased{{1, 2, 3}, "searches/x-1", nullptr, architecture, 7};
  std::string bytes;
  parsed.AppendTask(v1::LeaseTasksResponse::kTasksFieldNumber, leased, Millis{30'000}, bytes);
  v1::LeaseTasksResponse response;
  FUZZ_CHECK(response.ParseFromString(bytes) && response.tasks_size() == 1);
  const v1::Task& task = response.tasks(0);
  FUZZ_CHECK(task.lease_token() == "1.2.3" && task.seed() == 7);
  FUZZ_CHECK(task.architecture().SerializeAsString().size() ==
             spec::Resolve(spec.space(), architecture).SerializeAsString().size());
  FUZZ_CHECK(task.train().ByteSizeLong() == spec.evaluation().train().ByteSizeLong());
}

// Does what a controller does with a client's spec.
void CheckSpec(std::string_view input) {
  v1::CreateSearchRequest request;
  if (!Parse(input, request)) return;
  const v1::SearchSpec& sent = request.spec();
  for (const spec::Violation& violation : spec::ValidateSpec(sent)) FUZZ_CHECK(!violation.message.empty());
  if (!spec::ValidateSpec(sent).empty()) return;
  const std::string bytes = sent.SerializeAsString();
  const absl::StatusOr<core::SearchConfig> config = ToCoreConfig(bytes);
  FUZZ_CHECK(config.ok());
  FUZZ_CHECK(config->duration.count() >= 0 && config->attempts >= 1 && config->initial_failures >= 1);
  const TaskEncoder parsed(bytes);
  FUZZ_CHECK(spec::ValidateSpec(parsed.spec()).empty());
  const core::Architecture first(config->space.layers.size(), 0);
  CheckTask(parsed, first);
  CheckTask(parsed, config->space.Default());
  SearchView view;
  view.name = "searches/x-1";
  view.targets = {{1, std::nullopt, std::nullopt}};
  for (int state = 1; state <= static_cast<int>(core::CandidateState::kStopped); ++state) {
    view.candidates[static_cast<core::CandidateState>(state)] = 1;
  }
  CheckReadable(ToWire(view, parsed.spec()));
}

void RunOne(std::string_view input) {
  if (input.empty()) return;
  const char kind = input.front();
  input.remove_prefix(1);
  switch (kind) {
    case 'c':
      return CheckCompletions(input);
    case 'w':
      return CheckWorker(input);
    case 'n':
      return CheckNames(input);
    default:
      return CheckSpec(input);
  }
}

}  // namespace
}  // namespace layernas

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // Silences the warnings about every string that is not UTF-8.
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layernas::RunOne(layernas::fuzz::View(data, size));
  return 0;
}
