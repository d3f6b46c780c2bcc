// What is stored, as the rest of the controller sees it, and its codec (proto/layernas/storage/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/search.h"

namespace layernas::storage {

struct StoredSearch {
  std::uint64_t id = 0;
  // First part of the resource name.
  std::string slug;
  // Serialized layernas.v1.SearchSpec.
  std::string spec;
  core::SearchState state = core::SearchState::kRunning;
  std::string state_reason;
  UnixMillis created = 0;
  UnixMillis ended = 0;
  // Of the CreateSearch call; empty if it had none.
  std::string request_id;
  // None: as the spec says.
  std::optional<core::Sharing> sharing = std::nullopt;
  // By how much the machine's clock was set since the search was created.
  Millis clock_set{0};
  // When its first candidate was leased, from which its time counts; 0 before.
  UnixMillis started = 0;
  // Why no more architectures are proposed; empty while they are.
  std::string searching_over = {};
  // Who made it: the owner of a token, or a host. Empty if a version did that noted none.
  std::string owner = {};

  bool operator==(const StoredSearch&) const = default;
};

// One entry of a search's feed of changes.
struct StoredChange {
  // From 1, ascending. A jump marks a restored backup; elsewhere the numbers have no gaps.
  std::uint64_t sequence = 0;
  UnixMillis time = 0;
  // The candidate as it was then; none: the search itself changed.
  std::optional<core::Candidate> candidate;

  bool operator==(const StoredChange&) const = default;
};

struct StoredBucketEntry {
  std::uint64_t candidate = 0;
  double reward = 0;
  double cost = 0;

  bool operator==(const StoredBucketEntry&) const = default;
};

// What the evaluator of one attempt wrote, or the end of it.
struct StoredLog {
  std::string worker;
  // When it came.
  UnixMillis time = 0;
  std::string tail;
  // Bytes that were before the tail.
  std::int64_t omitted_bytes = 0;

  bool operator==(const StoredLog&) const = default;
};

std::string Encode(const StoredSearch& search);
std::string Encode(const core::Candidate& candidate);
std::string Encode(const StoredChange& change);
std::string Encode(const std::vector<StoredBucketEntry>& bucket);
std::string Encode(const StoredLog& log);
// As above, in place of what the string held; a string that is used again keeps its memory. The candidate of the change
// is encoded already.
void EncodeTo(std::string& out, const core::Candidate& candidate);
void EncodeChangeTo(std::string& out, UnixMillis time, std::string_view candidate);

// DATA_LOSS if the bytes are not such a record.
absl::StatusOr<StoredSearch> DecodeSearch(std::string_view bytes);
absl::StatusOr<core::Candidate> DecodeCandidate(std::string_view bytes);
// Its state alone, at a fraction of the time.
absl::StatusOr<core::CandidateState> DecodeCandidateState(std::string_view bytes);
// `sequence` is in the key.
absl::StatusOr<StoredChange> DecodeChange(std::uint64_t sequence, std::string_view bytes);
absl::StatusOr<std::vector<StoredBucketEntry>> DecodeBucket(std::string_view bytes);
absl::StatusOr<StoredLog> DecodeLog(std::string_view bytes);

}  // namespace layernas::storage
