#include "controller/storage/keys.h"

namespace layernas::storage {
namespace {

template <typename T>
char* Put(char* key, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    *key++ = static_cast<char>(value >> shift & 0xff);
  }
  return key;
}

template <typename T>
T Take(std::string_view& key) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<unsigned char>(key[i]);
  key.remove_prefix(sizeof(T));
  return value;
}

}  // namespace

std::string EncodeKey(std::uint64_t search) {
  std::string key(8, '\0');
  Put(key.data(), search);
  return key;
}

std::string EncodeKey(std::uint64_t search, std::uint64_t number) {
  std::string key(16, '\0');
  Put(Put(key.data(), search), number);
  return key;
}

std::string EncodeKey(const TableKey& table) {
  std::string key(20, '\0');
  Put(Put(Put(Put(key.data(), table.search), table.pass), table.stage), table.bucket);
  return key;
}

std::string EncodeKey(const LogKey& log) {
  std::string key(20, '\0');
  Put(Put(Put(key.data(), log.search), log.candidate), log.attempt);
  return key;
}

std::optional<std::uint64_t> DecodeSearchKey(std::string_view key) {
  if (key.size() != 8) return std::nullopt;
  return Take<std::uint64_t>(key);
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> DecodeNumberKey(std::string_view key) {
  if (key.size() != 16) return std::nullopt;
  const auto search = Take<std::uint64_t>(key);
  return std::pair{search, Take<std::uint64_t>(key)};
}

std::optional<TableKey> DecodeTableKey(std::string_view key) {
  if (key.size() != 20) return std::nullopt;
  TableKey table;
  table.search = Take<std::uint64_t>(key);
  table.pass = Take<std::uint32_t>(key);
  table.stage = Take<std::uint32_t>(key);
  table.bucket = Take<std::uint32_t>(key);
  return table;
}

std::optional<LogKey> DecodeLogKey(std::string_view key) {
  if (key.size() != 20) return std::nullopt;
  LogKey log;
  log.search = Take<std::uint64_t>(key);
  log.candidate = Take<std::uint64_t>(key);
  log.attempt = Take<std::uint32_t>(key);
  return log;
}

}  // namespace layernas::storage
