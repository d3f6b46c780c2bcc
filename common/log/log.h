// Structured logging to standard error: one line per event, with fields as key=value. The API uses
// functions instead of macros, because the LOG and CHECK macros of torch and glog would collide.
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

// Call this once, before the first line. Takes the program's name and the lowest level to log
// (debug, info, warning, error). Returns false if the level is unknown. Starts the thread that
// writes the lines. A normal exit flushes them.
bool Init(std::string_view program, std::string_view level);

// Logs one line. Thread-safe. Never waits for the reader of standard error: the line goes into a
// queue, and a separate thread writes it. So a reader that is slow or does not read (a pager, a
// stopped terminal, a collector that hangs) cannot stop the program. When the queue is full, its
// oldest line is lost, and a later line says how many were lost. Values with spaces, quotes or
// control characters are quoted and escaped, so that each event stays on one line.
void Debug(std::string_view message, Fields fields = {});
void Info(std::string_view message, Fields fields = {});
void Warning(std::string_view message, Fields fields = {});
void Error(std::string_view message, Fields fields = {});

// The same function, with the level and the fields as values.
enum class Level { kDebug, kInfo, kWarning, kError };
void Write(Level level, std::string_view message, std::span<const Field> fields);

// Returns when all earlier lines have been written, or after about a second. Call it before an
// abnormal exit (_exit) and before writing to standard error directly. Thread-safe.
void Flush();

}  // namespace layernas::log
