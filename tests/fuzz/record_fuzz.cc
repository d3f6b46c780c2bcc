// Fuzzes keys and records on disk: malformed ones are refused, and what is read is written again
// unchanged.
#include <google/protobuf/stubs/logging.h>

#include <optional>
#include <string>

#include "controller/storage/keys.h"
#include "controller/storage/records.h"
#include "tests/fuzz/fuzz.h"

namespace layernas::storage {
namespace {

// Compares bytes, because a record may contain values that are not numbers.
void CheckSearch(std::string_view bytes) {
  const auto search = DecodeSearch(bytes);
  if (!search.ok()) return;
  const std::string written = Encode(*search);
  const auto again = DecodeSearch(written);
  FUZZ_CHECK(again.ok() && *again == *search && Encode(*again) == written);
}

void CheckCandidate(std::string_view bytes) {
  const auto candidate = DecodeCandidate(bytes);
  static_cast<void>(DecodeCandidateState(bytes));
  if (!candidate.ok()) return;
  const std::string written = Encode(*candidate);
  const auto again = DecodeCandidate(written);
  FUZZ_CHECK(again.ok() && Encode(*again) == written);
  FUZZ_CHECK(again->metrics.size() == candidate->metrics.size());
  const auto state = DecodeCandidateState(written);
  FUZZ_CHECK(state.ok() && *state == candidate->state);
  std::string change;
  EncodeChangeTo(change, candidate->ended, written);
  FUZZ_CHECK(change == Encode(StoredChange{1, candidate->ended, *candidate}));
}

void CheckChange(std::string_view bytes) {
  const auto change = DecodeChange(7, bytes);
  if (!change.ok()) return;
  FUZZ_CHECK(change->sequence == 7);
  const std::string written = Encode(*change);
  const auto again = DecodeChange(7, written);
  FUZZ_CHECK(again.ok() && Encode(*again) == written);
  FUZZ_CHECK(again->candidate.has_value() == change->candidate.has_value());
}

void CheckBucket(std::string_view bytes) {
  const auto bucket = DecodeBucket(bytes);
  if (!bucket.ok()) return;
  const std::string written = Encode(*bucket);
  const auto again = DecodeBucket(written);
  FUZZ_CHECK(again.ok() && again->size() == bucket->size() && Encode(*again) == written);
}

void CheckLog(std::string_view bytes) {
  const auto log = DecodeLog(bytes);
  if (!log.ok()) return;
  const auto again = DecodeLog(Encode(*log));
  FUZZ_CHECK(again.ok() && *again == *log);
}

// Checks that a key consists of its numbers and nothing else.
void CheckKeys(std::string_view bytes) {
  if (const auto search = DecodeSearchKey(bytes)) FUZZ_CHECK(EncodeKey(*search) == bytes);
  if (const auto number = DecodeNumberKey(bytes)) {
    FUZZ_CHECK(EncodeKey(number->first, number->second) == bytes);
    if (number->second > 0) FUZZ_CHECK(EncodeKey(number->first, number->second - 1) < bytes);
    if (number->first > 0) FUZZ_CHECK(EncodeKey(number->first - 1, number->second) < bytes);
  }
  if (const auto log = DecodeLogKey(bytes)) FUZZ_CHECK(EncodeKey(*log) == bytes);
  if (const auto table = DecodeTableKey(bytes)) {
    FUZZ_CHECK(EncodeKey(*table) == bytes);
    FUZZ_CHECK(EncodeKey(table->search) < bytes);
  }
}

void RunOne(std::string_view input) {
  if (input.empty()) return;
  const int kind = static_cast<unsigned char>(input.front()) % 6;
  input.remove_prefix(1);
  switch (kind) {
    case 0:
      return CheckCandidate(input);
    case 1:
      return CheckSearch(input);
    case 2:
      return CheckChange(input);
    case 3:
      return CheckBucket(input);
    case 5:
      return CheckLog(input);
    default:
      return CheckKeys(input);
  }
}

}  // namespace
}  // namespace layernas::storage

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // Silences the warnings about every string that is not UTF-8.
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layernas::storage::RunOne(layernas::fuzz::View(data, size));
  return 0;
}
