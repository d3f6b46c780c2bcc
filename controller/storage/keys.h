// Keys of the records on disk: fixed-width big-endian numbers, so RocksDB's byte order is the
// numeric order. DO NOT CHANGE a layout without a new schema version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace layernas::storage {

struct TableKey {
  std::uint64_t search = 0;
  std::uint32_t pass = 0;
  std::uint32_t stage = 0;
  std::uint32_t bucket = 0;

  bool operator==(const TableKey&) const = default;
};

struct LogKey {
  std::uint64_t search = 0;
  std::uint64_t candidate = 0;
  std::uint32_t attempt = 0;

  bool operator==(const LogKey&) const = default;
};

// searches: search (8 bytes).
std::string EncodeKey(std::uint64_t search);
// candidates: search (8), candidate number (8). changes: search (8), sequence number (8).
std::string EncodeKey(std::uint64_t search, std::uint64_t number);
// buckets: search (8), pass (4), stage (4), bucket (4).
std::string EncodeKey(const TableKey& key);
// logs: search (8), candidate number (8), attempt (4).
std::string EncodeKey(const LogKey& key);

// Return nothing if the length does not match such a key.
std::optional<std::uint64_t> DecodeSearchKey(std::string_view key);
std::optional<std::pair<std::uint64_t, std::uint64_t>> DecodeNumberKey(std::string_view key);
std::optional<TableKey> DecodeTableKey(std::string_view key);
std::optional<LogKey> DecodeLogKey(std::string_view key);

}  // namespace layernas::storage
