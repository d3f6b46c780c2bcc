#include "controller/storage/records.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cmath>
#include <limits>
#include <utility>

#include "common/base/status_macros.h"
#include "layernas/storage/v1/records.pb.h"

namespace layernas::storage {
namespace {

absl::Status ParseInto(google::protobuf::MessageLite& record, std::string_view bytes, const char* what) {
  if (record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::DataLossError(std::string("a stored ") + what + " cannot be parsed");
}

template <typename Record>
absl::StatusOr<Record> Parse(std::string_view bytes, const char* what) {
  Record record;
  LAYERNAS_RETURN_IF_ERROR(ParseInto(record, bytes, what));
  return record;
}

template <typename Enum>
absl::StatusOr<Enum> ToEnum(int value, Enum last, const char* what) {
  if (value < 1 || value > static_cast<int>(last)) {
    return absl::DataLossError(std::string("a stored ") + what + " has the unknown value " + std::to_string(value));
  }
  return static_cast<Enum>(value);
}

// A cleared message keeps its memory, so each thread reuses one for all candidates.
v1::CandidateRecord& CandidateScratch() {
  thread_local v1::CandidateRecord record;
  record.Clear();
  return record;
}

void Fill(v1::CandidateRecord& record, const core::Candidate& candidate) {
  record.set_number(candidate.number);
  record.mutable_choices()->Add(candidate.architecture.begin(), candidate.architecture.end());
  record.set_state(static_cast<int>(candidate.state));
  record.set_pass(candidate.position.pass);
  record.set_stage(candidate.position.stage);
  record.set_attempt(candidate.attempt);
  record.set_worker(candidate.worker);
  record.set_request_id(candidate.request_id);
  record.set_result_attempt(candidate.result_attempt);
  record.set_reward(candidate.reward);
  record.set_cost(candidate.cost);
  if (!candidate.reused_from.empty()) record.set_reused_from(candidate.reused_from);
  for (const core::Metrics::Entry& metric : candidate.metrics) {
    v1::MetricRecord& stored = *record.add_metrics();
    stored.set_name(metric.name);
    stored.set_value(metric.value);
  }
  for (const core::AttemptFailure& failure : candidate.failures) {
    v1::FailureRecord& stored = *record.add_failures();
    stored.set_attempt(failure.attempt);
    stored.set_kind(static_cast<int>(failure.kind));
    stored.set_worker(failure.worker);
    stored.set_message(failure.message);
    stored.set_unix_ms(failure.time);
  }
  record.set_create_unix_ms(candidate.created);
  record.set_start_unix_ms(candidate.started);
  record.set_end_unix_ms(candidate.ended);
  record.set_repeat_of(candidate.repeat_of);
  record.set_repeat(candidate.repeat);
  record.set_measured_attempt(candidate.measured_attempt);
  for (const core::CurvePoint& point : candidate.curve) {
    record.add_curve_epochs(static_cast<std::uint32_t>(point.epoch));
    record.add_curve_rewards(point.reward);
  }
  record.set_final_of(candidate.final_of);
  record.set_final_seed(candidate.final_seed);
  record.set_twin_of(candidate.twin_of);
  for (const core::WeightsFile& file : candidate.weights) {
    v1::WeightsRecord& stored = *record.add_weights();
    stored.set_path(file.path);
    stored.set_sha256(file.sha256);
    stored.set_bytes(file.bytes);
  }
}

absl::StatusOr<core::Candidate> FromRecord(const v1::CandidateRecord& record) {
  core::Candidate candidate;
  candidate.number = record.number();
  candidate.architecture.reserve(record.choices_size());
  for (const std::uint32_t choice : record.choices()) {
    if (choice > std::numeric_limits<core::OptionIndex>::max()) {
      return absl::DataLossError("a stored candidate has the invalid option " + std::to_string(choice));
    }
    candidate.architecture.push_back(static_cast<core::OptionIndex>(choice));
  }
  LAYERNAS_ASSIGN_OR_RETURN(candidate.state,
                            ToEnum(record.state(), core::CandidateState::kStopped, "candidate's state"));
  candidate.position = {record.pass(), record.stage()};
  candidate.attempt = record.attempt();
  candidate.worker = record.worker();
  candidate.request_id = record.request_id();
  candidate.result_attempt = record.result_attempt();
  candidate.reward = record.reward();
  candidate.cost = record.cost();
  candidate.reused_from = record.reused_from();
  std::vector<std::pair<std::string, double>> metrics;
  metrics.reserve(record.metrics_size());
  for (const v1::MetricRecord& stored : record.metrics()) metrics.emplace_back(stored.name(), stored.value());
  candidate.metrics = core::Metrics(std::move(metrics));
  for (const v1::FailureRecord& stored : record.failures()) {
    LAYERNAS_ASSIGN_OR_RETURN(const core::FailureKind kind,
                              ToEnum(stored.kind(), core::FailureKind::kWorkerLost, "failure's kind"));
    candidate.failures.push_back({stored.attempt(), kind, stored.worker(), stored.message(), stored.unix_ms()});
  }
  candidate.created = record.create_unix_ms();
  candidate.started = record.start_unix_ms();
  candidate.ended = record.end_unix_ms();
  candidate.repeat_of = record.repeat_of();
  candidate.repeat = record.repeat();
  candidate.measured_attempt = record.measured_attempt();
  if (record.curve_epochs_size() != record.curve_rewards_size()) {
    return absl::DataLossError("a stored candidate's learning curve has " + std::to_string(record.curve_epochs_size()) +
                               " epochs, but " + std::to_string(record.curve_rewards_size()) + " rewards");
  }
  candidate.curve.reserve(record.curve_epochs_size());
  for (int i = 0; i < record.curve_epochs_size(); ++i) {
    candidate.curve.push_back({static_cast<int>(record.curve_epochs(i)), record.curve_rewards(i)});
  }
  candidate.final_of = record.final_of();
  candidate.final_seed = record.final_seed();
  candidate.twin_of = record.twin_of();
  for (const v1::WeightsRecord& stored : record.weights()) {
    candidate.weights.push_back({stored.path(), stored.sha256(), stored.bytes()});
  }
  return candidate;
}

}  // namespace

std::string Encode(const StoredSearch& search) {
  v1::SearchRecord record;
  record.set_id(search.id);
  record.set_slug(search.slug);
  record.set_spec(search.spec);
  record.set_state(static_cast<int>(search.state));
  record.set_state_reason(search.state_reason);
  record.set_create_unix_ms(search.created);
  record.set_end_unix_ms(search.ended);
  record.set_request_id(search.request_id);
  record.set_start_store_ms(search.start_store_time);
  record.set_end_store_ms(search.end_store_time);
  record.set_start_is_early(search.start_is_early);
  record.set_end_is_early(search.end_is_early);
  record.set_start_unix_ms(search.started);
  record.set_searching_over(search.searching_over);
  record.set_owner(search.owner);
  if (search.sharing) {
    v1::SharingRecord& sharing = *record.mutable_sharing();
    sharing.set_weight(search.sharing->weight);
    sharing.set_priority(search.sharing->priority);
    sharing.set_max_running(search.sharing->max_running);
  }
  return record.SerializeAsString();
}

std::string Encode(const core::Candidate& candidate) {
  std::string bytes;
  EncodeTo(bytes, candidate);
  return bytes;
}

void EncodeTo(std::string& out, const core::Candidate& candidate) {
  v1::CandidateRecord& record = CandidateScratch();
  Fill(record, candidate);
  record.SerializeToString(&out);
}

std::string Encode(const StoredChange& change) {
  v1::ChangeRecord record;
  record.set_unix_ms(change.time);
  if (change.candidate) {
    Fill(*record.mutable_candidate(), *change.candidate);
  } else {
    record.set_search(true);
  }
  return record.SerializeAsString();
}

void EncodeChangeTo(std::string& out, UnixMillis time, std::string_view candidate) {
  using google::protobuf::internal::WireFormatLite;
  using google::protobuf::io::CodedOutputStream;
  v1::ChangeRecord record;
  record.set_unix_ms(time);
  record.SerializeToString(&out);
  std::uint8_t header[2 * 10];
  std::uint8_t* end = WireFormatLite::WriteTagToArray(v1::ChangeRecord::kCandidateFieldNumber,
                                                      WireFormatLite::WIRETYPE_LENGTH_DELIMITED, header);
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<std::uint32_t>(candidate.size()), end);
  out.append(reinterpret_cast<const char*>(header), static_cast<std::size_t>(end - header));
  out.append(candidate);
}

std::string Encode(const std::vector<StoredBucketEntry>& bucket) {
  v1::BucketRecord record;
  for (const StoredBucketEntry& entry : bucket) {
    v1::BucketEntryRecord& stored = *record.add_entries();
    stored.set_candidate(entry.candidate);
    stored.set_reward(entry.reward);
    stored.set_cost(entry.cost);
  }
  return record.SerializeAsString();
}

std::string Encode(const StoredLog& log) {
  v1::LogRecord record;
  record.set_worker(log.worker);
  record.set_unix_ms(log.time);
  record.set_tail(log.tail);
  record.set_omitted_bytes(log.omitted_bytes);
  return record.SerializeAsString();
}

absl::StatusOr<StoredSearch> DecodeSearch(std::string_view bytes) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto record, Parse<v1::SearchRecord>(bytes, "search"));
  StoredSearch search;
  search.id = record.id();
  search.slug = record.slug();
  search.spec = record.spec();
  LAYERNAS_ASSIGN_OR_RETURN(search.state, ToEnum(record.state(), core::SearchState::kCancelled, "search's state"));
  search.state_reason = record.state_reason();
  search.created = record.create_unix_ms();
  search.ended = record.end_unix_ms();
  search.request_id = record.request_id();
  search.start_store_time = record.start_store_ms();
  search.end_store_time = record.end_store_ms();
  search.start_is_early = record.start_is_early();
  search.end_is_early = record.end_is_early();
  // An older version did not store them. Its store's time is that of the machine's clock.
  if (search.start_store_time == 0 && (record.start_unix_ms() != 0 || record.clock_set_ms() != 0)) {
    // Before schema 5 the time of a search began when it was created.
    const UnixMillis start = record.start_unix_ms() != 0 ? record.start_unix_ms() : record.create_unix_ms();
    search.start_store_time = start + record.clock_set_ms();
  }
  if (search.end_store_time == 0) search.end_store_time = record.end_unix_ms();
  search.started = record.start_unix_ms();
  search.searching_over = record.searching_over();
  search.owner = record.owner();
  if (record.has_sharing()) {
    // With such a weight the search whose turn it is could never be determined.
    if (!(record.sharing().weight() > 0) || !std::isfinite(record.sharing().weight())) {
      return absl::DataLossError("a stored search has the invalid weight " + std::to_string(record.sharing().weight()));
    }
    search.sharing = {record.sharing().weight(), record.sharing().priority(), record.sharing().max_running()};
  }
  return search;
}

absl::StatusOr<core::Candidate> DecodeCandidate(std::string_view bytes) {
  v1::CandidateRecord& record = CandidateScratch();
  LAYERNAS_RETURN_IF_ERROR(ParseInto(record, bytes, "candidate"));
  return FromRecord(record);
}

absl::StatusOr<core::CandidateState> DecodeCandidateState(std::string_view bytes) {
  using google::protobuf::internal::WireFormatLite;
  constexpr std::uint32_t kState =
      WireFormatLite::MakeTag(v1::CandidateRecord::kStateFieldNumber, WireFormatLite::WIRETYPE_VARINT);
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  std::uint32_t state = 0;
  for (std::uint32_t tag = in.ReadTag(); tag != 0 && tag != kState; tag = in.ReadTag()) {
    if (!WireFormatLite::SkipField(&in, tag)) break;
  }
  // If the field is missing or follows invalid bytes, the state is 0.
  in.ReadVarint32(&state);
  return ToEnum(static_cast<int>(state), core::CandidateState::kStopped, "candidate's state");
}

absl::StatusOr<StoredChange> DecodeChange(std::uint64_t sequence, std::string_view bytes) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto record, Parse<v1::ChangeRecord>(bytes, "change"));
  StoredChange change{sequence, record.unix_ms(), std::nullopt};
  if (record.change_case() == v1::ChangeRecord::CHANGE_NOT_SET) {
    return absl::DataLossError("a stored change is empty");
  }
  if (record.has_candidate()) {
    LAYERNAS_ASSIGN_OR_RETURN(change.candidate, FromRecord(record.candidate()));
  }
  return change;
}

absl::StatusOr<std::vector<StoredBucketEntry>> DecodeBucket(std::string_view bytes) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto record, Parse<v1::BucketRecord>(bytes, "bucket"));
  std::vector<StoredBucketEntry> bucket;
  bucket.reserve(record.entries_size());
  for (const auto& stored : record.entries()) bucket.push_back({stored.candidate(), stored.reward(), stored.cost()});
  return bucket;
}

absl::StatusOr<StoredLog> DecodeLog(std::string_view bytes) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto record, Parse<v1::LogRecord>(bytes, "log"));
  return StoredLog{record.worker(), record.unix_ms(), record.tail(), record.omitted_bytes()};
}

}  // namespace layernas::storage
