// Stored records as the rest of the controller sees them, and their codec
// (proto/layernas/storage/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/search.h"

namespace layernas::storage {

// The time of the store (controller/engine/store_clock.h).
struct StoreTime {
  UnixMillis time = 0;
  // How far the machine's clock was ahead of it when that clock counted last, and at most; negative:
  // behind.
  Millis machine_ahead{0};
  Millis machine_most_ahead{0};
};

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
  // Id of the CreateSearch request; empty if it had none.
  std::string request_id;
  // None: the spec's sharing applies.
  std::optional<core::Sharing> sharing = std::nullopt;
  // When the first candidate was leased; the time budget starts here. 0 before.
  UnixMillis started = 0;
  // The same time, and that of the end, as times of the store (StoreTime), which nobody sets; 0 before.
  UnixMillis start_store_time = 0;
  UnixMillis end_store_time = 0;
  // They were taken while the machine's clock did not count, and lack the time between the processes
  // that is added when it counts.
  bool start_is_early = false;
  bool end_is_early = false;
  // Why the strategy proposes no more architectures; empty while it does.
  std::string searching_over = {};
  // The creator of the search: the owner of a token, or a host. Empty if an older version created
  // it.
  std::string owner = {};

  bool operator==(const StoredSearch&) const = default;
};

// One entry of a search's feed of changes.
struct StoredChange {
  // From 1, ascending. A jump marks a restored backup; otherwise the numbers have no gaps.
  std::uint64_t sequence = 0;
  UnixMillis time = 0;
  // The candidate as it was then. None: the search itself changed.
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
  // When the log arrived.
  UnixMillis time = 0;
  std::string tail;
  // Bytes before the tail.
  std::int64_t omitted_bytes = 0;

  bool operator==(const StoredLog&) const = default;
};

std::string Encode(const StoredSearch& search);
std::string Encode(const core::Candidate& candidate);
std::string Encode(const StoredChange& change);
std::string Encode(const std::vector<StoredBucketEntry>& bucket);
std::string Encode(const StoredLog& log);
// Like the functions above, but they replace the contents of a string and reuse its memory. The
// candidate of the change is already encoded.
void EncodeTo(std::string& out, const core::Candidate& candidate);
void EncodeChangeTo(std::string& out, UnixMillis time, std::string_view candidate);

// Return DATA_LOSS if the bytes are not such a record.
absl::StatusOr<StoredSearch> DecodeSearch(std::string_view bytes);
absl::StatusOr<core::Candidate> DecodeCandidate(std::string_view bytes);
// Decodes only the state, in a fraction of the time.
absl::StatusOr<core::CandidateState> DecodeCandidateState(std::string_view bytes);
// `sequence` comes from the key.
absl::StatusOr<StoredChange> DecodeChange(std::uint64_t sequence, std::string_view bytes);
absl::StatusOr<std::vector<StoredBucketEntry>> DecodeBucket(std::string_view bytes);
absl::StatusOr<StoredLog> DecodeLog(std::string_view bytes);

}  // namespace layernas::storage
