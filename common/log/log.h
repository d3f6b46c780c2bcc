// Structured logging to standard error: one line per event, fields as key=value. Functions, not macros: torch's and
// glog's LOG/CHECK macros would collide.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace layernas::log {

struct Field {
  template <typename T>
  requires std::is_arithmetic_v<T> Field(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}

  std::string_view key;
  std::string value;
};

using Fields = std::initializer_list<Field>;

// Once, before the first line: the program's name, and the lowest level shown (debug, info, warning, error).
// Returns false for an unknown level. Starts the thread that writes the lines; a normal exit flushes them.
bool Init(std::string_view program, std::string_view level);

// Thread-safe. Never waits for the reader of standard error: the line goes into a queue, and a thread of its own writes
// it. A reader that is slow or does not read (a pager, a stopped terminal, a collector that hangs) must not stop the
// program. When the queue is full, its oldest line is lost, and a line says how many were.
// Values with spaces, quotes or control characters are quoted and escaped: a line is always one line.
void Debug(std::string_view message, Fields fields = {});
void Info(std::string_view message, Fields fields = {});
void Warning(std::string_view message, Fields fields = {});
void Error(std::string_view message, Fields fields = {});

// The same with the level and the fields as values.
enum class Level { kDebug, kInfo, kWarning, kError };
void Write(Level level, std::string_view message, std::span<const Field> fields);

// Returns when all lines logged before have been written, or after about a second. Call it before an end that is not
// normal (_exit) and before writing to standard error directly. Thread-safe.
void Flush();

}  // namespace layernas::log
