#include "common/log/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "common/base/utf8.h"
#include "common/log/stderr_writer.h"

namespace layernas::log {
namespace {

class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    writer_.Write({line.data(), line.size()});
  }
  void flush_() override {}

 private:
  StderrWriter writer_;
};

// Whether the value needs quotes for what is in it, once it is printable.
bool NeedsQuotes(std::string_view value, const std::string& printable) {
  return value.empty() || value != printable ||
         std::any_of(value.begin(), value.end(), [](char c) { return c == ' ' || c == '"' || c == '=' || c == '\\'; });
}

void AppendValue(std::string& line, const std::string& value) {
  std::string printable;
  // Backslashes first, so that they are told from those of the escapes.
  std::string_view rest = value;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of("\"\\"), rest.size());
    printable += Printable(rest.substr(0, end), Unprintable::kEscape);
    if (end < rest.size()) printable += {'\\', rest[end]};
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (NeedsQuotes(value, printable)) {
    line += '"' + printable + '"';
  } else {
    line += value;
  }
}

void WriteLine(spdlog::level::level_enum level, std::string_view message, std::span<const Field> fields) {
  if (!spdlog::default_logger_raw()->should_log(level)) return;
  std::string line = Printable(message, Unprintable::kEscape);
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendValue(line, field.value);
  }
  spdlog::default_logger_raw()->log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

bool Init(std::string_view program, std::string_view level) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off") return false;
  auto logger = std::make_shared<spdlog::logger>(std::string(program), std::make_shared<StderrSink>());
  logger->set_level(parsed);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%L%$ %n: %v");
  spdlog::set_default_logger(std::move(logger));
  return true;
}

void Debug(std::string_view message, Fields fields) { Write(Level::kDebug, message, {fields.begin(), fields.size()}); }
void Info(std::string_view message, Fields fields) { Write(Level::kInfo, message, {fields.begin(), fields.size()}); }
void Warning(std::string_view message, Fields fields) {
  Write(Level::kWarning, message, {fields.begin(), fields.size()});
}
void Error(std::string_view message, Fields fields) { Write(Level::kError, message, {fields.begin(), fields.size()}); }

void Write(Level level, std::string_view message, std::span<const Field> fields) {
  switch (level) {
    case Level::kDebug:
      return WriteLine(spdlog::level::debug, message, fields);
    case Level::kInfo:
      return WriteLine(spdlog::level::info, message, fields);
    case Level::kWarning:
      return WriteLine(spdlog::level::warn, message, fields);
    case Level::kError:
      return WriteLine(spdlog::level::err, message, fields);
  }
}

}  // namespace layernas::log
