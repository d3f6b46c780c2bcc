#include "common/log/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace layernas::log {
namespace {

void AppendValue(std::string& line, const std::string& value) {
  const bool plain = !value.empty() && std::none_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '"' || c == '=' || c == '\\';
  });
  if (plain) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> escaped;
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned char>(c));
      line += escaped.data();
    } else {
      line += c;
    }
  }
  line += '"';
}

void WriteLine(spdlog::level::level_enum level, std::string_view message, std::span<const Field> fields) {
  if (!spdlog::default_logger_raw()->should_log(level)) return;
  std::string line(message);
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
  auto logger =
      std::make_shared<spdlog::logger>(std::string(program), std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(parsed);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%L%$ %n: %v");
  logger->flush_on(spdlog::level::trace);
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
