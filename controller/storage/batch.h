// Batches: changes to the store that are committed together.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "controller/storage/families.h"
#include "controller/storage/keys.h"
#include "controller/storage/records.h"

namespace layernas::storage {

// Operations on the families, in order, in one piece of memory: recording an operation makes no
// allocation of its own.
class OperationLog {
 public:
  void Put(Family family, std::string_view key, std::string_view value) { Append(kPut, family, key, value); }
  // Deletes the keys from `begin` (inclusive) to `end` (exclusive).
  void DeleteRange(Family family, std::string_view begin, std::string_view end) {
    Append(kDeleteRange, family, begin, end);
  }

  bool empty() const { return bytes_.empty(); }
  std::size_t bytes() const { return bytes_.size(); }

  // Calls `put(family, key, value)` or `delete_range(family, begin, end)` for each operation, in
  // order.
  template <typename PutCall, typename DeleteRangeCall>
  void Visit(PutCall put, DeleteRangeCall delete_range) const {
    for (const char* next = bytes_.data(); next != bytes_.data() + bytes_.size();) {
      Header header;
      std::memcpy(&header, next, sizeof(header));
      const std::string_view first(next + sizeof(header), header.first_bytes);
      const std::string_view second(first.data() + first.size(), header.second_bytes);
      next = second.data() + second.size();
      if (header.kind == kPut) {
        put(static_cast<Family>(header.family), first, second);
      } else {
        delete_range(static_cast<Family>(header.family), first, second);
      }
    }
  }

 private:
  enum Kind : std::uint16_t { kPut, kDeleteRange };
  // Precedes the two strings of an operation in memory.
  struct Header {
    std::uint16_t kind = 0;
    std::uint16_t family = 0;
    std::uint32_t first_bytes = 0;
    std::uint32_t second_bytes = 0;
  };

  void Append(Kind kind, Family family, std::string_view first, std::string_view second);

  std::string bytes_;
};

// Changes that become durable together (Store::Commit). It needs no open store. Not thread-safe.
class Batch {
 public:
  Batch() = default;
  Batch(Batch&&) = default;
  Batch& operator=(Batch&&) = default;

  void PutNextSearchId(std::uint64_t id);
  void PutStoreTime(const StoreTime& time);
  void PutSearch(const StoredSearch& search);
  void PutCandidate(std::uint64_t search, const core::Candidate& candidate);
  void PutBucket(const TableKey& key, const std::vector<StoredBucketEntry>& bucket);
  void PutChange(std::uint64_t search, const StoredChange& change);
  // Adds the candidate and its entry in the feed of changes.
  void PutChangedCandidate(std::uint64_t search, const core::Candidate& candidate, std::uint64_t sequence,
                           UnixMillis time);
  // Deletes changes with sequence numbers below `sequence`.
  void TrimChanges(std::uint64_t search, std::uint64_t sequence);
  void PutLog(const LogKey& key, const StoredLog& log);
  // Deletes the logs from `begin` (inclusive) to `end` (exclusive).
  void DeleteLogs(const LogKey& begin, const LogKey& end);
  // Deletes the search and everything that belongs to it.
  void DeleteSearch(std::uint64_t search);

  bool empty() const { return operations_.empty(); }
  const OperationLog& operations() const { return operations_; }

 private:
  friend class Store;
  void PutMeta(const char* key, std::uint64_t value);

  OperationLog operations_;
  // The records encoded last; their memory is reused.
  std::string candidate_bytes_;
  std::string change_bytes_;
};

}  // namespace layernas::storage
