#include "common/log/log.h"

#include <signal.h>
#include <spdlog/async.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "common/base/utf8.h"
#include "common/log/stderr_sink.h"

namespace layernas::log {
namespace {

// The maximum number of lines that wait for the reader of standard error: enough for many slots
// that log at once, and a few MB of usual lines.
constexpr std::size_t kQueuedLines = 4'096;
// How long Flush() waits for that reader.
constexpr std::chrono::seconds kFlushTimeout{1};

using Pool = std::shared_ptr<spdlog::details::thread_pool>;

// Creates the queue and the thread that writes its lines.
Pool MakePool() {
  // The program's other threads handle its signals.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  auto pool = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::atexit(Flush);
  return pool;
}

// Never destroyed. Destruction would wait for the thread, which may wait for a reader forever, and
// threads log until the process ends.
const Pool& GetPool() {
  static const Pool& pool = *new Pool(MakePool());
  return pool;
}

std::shared_ptr<spdlog::async_logger> MakeLogger(std::string name, spdlog::sink_ptr sink) {
  return std::make_shared<spdlog::async_logger>(std::move(name), std::move(sink), GetPool(),
                                                spdlog::async_overflow_policy::overrun_oldest);
}

// Signals when everything that was queued before its flush has been written.
class Marker final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  std::future<void> passed() { return passed_.get_future(); }

 protected:
  void sink_it_(const spdlog::details::log_msg&) override {}
  void flush_() override { passed_.set_value(); }

 private:
  std::promise<void> passed_;
};

// Returns true if the value needs quotes, given its printable form.
bool NeedsQuotes(std::string_view value, const std::string& printable) {
  return value.empty() || value != printable ||
         std::any_of(value.begin(), value.end(), [](char c) { return c == ' ' || c == '"' || c == '=' || c == '\\'; });
}

void AppendValue(std::string& line, const std::string& value) {
  std::string printable;
  // Escape backslashes first, so that they differ from those of the escapes.
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
  auto logger = MakeLogger(std::string(program), std::make_shared<StderrSink>(*GetPool()));
  logger->set_level(parsed);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%L%$ %n: %v");
  spdlog::set_default_logger(std::move(logger));
  return true;
}

void Flush() {
  const auto marker = std::make_shared<Marker>();
  const std::future<void> passed = marker->passed();
  MakeLogger("", marker)->flush();
  passed.wait_for(kFlushTimeout);
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
