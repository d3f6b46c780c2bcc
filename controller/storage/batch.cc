#include "controller/storage/batch.h"

#include <algorithm>

#include "controller/storage/meta.h"

namespace layernas::storage {

void OperationLog::Append(Kind kind, Family family, std::string_view first, std::string_view second) {
  const Header header = {kind, static_cast<std::uint16_t>(family), static_cast<std::uint32_t>(first.size()),
                         static_cast<std::uint32_t>(second.size())};
  const std::size_t end = bytes_.size();
  bytes_.resize(end + sizeof(header) + first.size() + second.size());
  char* next = bytes_.data() + end;
  std::memcpy(next, &header, sizeof(header));
  next = std::copy(first.begin(), first.end(), next + sizeof(header));
  std::copy(second.begin(), second.end(), next);
}

void Batch::PutMeta(const char* key, std::uint64_t value) { operations_.Put(kMeta, key, std::to_string(value)); }

void Batch::PutNextSearchId(std::uint64_t id) { PutMeta(kNextSearchIdKey, id); }

void Batch::PutStoreTime(const StoreTime& time) {
  PutMeta(kStoreTimeKey, static_cast<std::uint64_t>(time.time));
  PutMeta(kMachineAheadKey, static_cast<std::uint64_t>(time.machine_ahead.count()));
  PutMeta(kMachineMostAheadKey, static_cast<std::uint64_t>(time.machine_most_ahead.count()));
}

void Batch::PutSearch(const StoredSearch& search) { operations_.Put(kSearches, EncodeKey(search.id), Encode(search)); }

void Batch::PutCandidate(std::uint64_t search, const core::Candidate& candidate) {
  EncodeTo(candidate_bytes_, candidate);
  operations_.Put(kCandidates, EncodeKey(search, candidate.number), candidate_bytes_);
}

void Batch::PutBucket(const TableKey& key, const std::vector<StoredBucketEntry>& bucket) {
  operations_.Put(kBuckets, EncodeKey(key), Encode(bucket));
}

void Batch::PutChange(std::uint64_t search, const StoredChange& change) {
  operations_.Put(kChanges, EncodeKey(search, change.sequence), Encode(change));
}

void Batch::PutChangedCandidate(std::uint64_t search, const core::Candidate& candidate, std::uint64_t sequence,
                                UnixMillis time) {
  PutCandidate(search, candidate);
  EncodeChangeTo(change_bytes_, time, candidate_bytes_);
  operations_.Put(kChanges, EncodeKey(search, sequence), change_bytes_);
}

void Batch::TrimChanges(std::uint64_t search, std::uint64_t sequence) {
  operations_.DeleteRange(kChanges, EncodeKey(search, 0), EncodeKey(search, sequence));
}

void Batch::PutLog(const LogKey& key, const StoredLog& log) { operations_.Put(kLogs, EncodeKey(key), Encode(log)); }

void Batch::DeleteLogs(const LogKey& begin, const LogKey& end) {
  operations_.DeleteRange(kLogs, EncodeKey(begin), EncodeKey(end));
}

void Batch::DeleteSearch(std::uint64_t search) {
  const std::string begin = EncodeKey(search);
  const std::string end = EncodeKey(search + 1);
  for (const Family family : kFamiliesOfASearch) operations_.DeleteRange(family, begin, end);
}

}  // namespace layernas::storage
