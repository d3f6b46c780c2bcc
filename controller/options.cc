#include "controller/options.h"

#include <CLI/CLI.hpp>

#include "common/base/duration.h"
#include "common/base/version.h"

namespace layernas {
namespace {

bool IsLoopback(const rpc::Address& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

// Parses `text` by `parse` into `value`; the message if it can't be.
template <typename T, typename Parse>
std::string ParseInto(const std::string& text, T& value, Parse parse) {
  auto parsed = parse(text);
  if (!parsed.ok()) return std::string(parsed.status().message());
  value = *parsed;
  return "";
}

}  // namespace

ParsedCommandLine ParseCommandLine(int argc, char** argv) {
  ParsedCommandLine result;
  ControllerOptions& options = result.options;
  std::string listen = "127.0.0.1:7060";
  std::string metrics_listen = "127.0.0.1:7061";
  std::string lease_duration = "30s";
  bool insecure_listen = false;

  CLI::App app("Runs searches: hands architectures to workers, keeps what they report, answers clients.",
               "layernas-controller");
  app.set_version_flag("--version", std::string(Version()));
  app.footer("Example:\n  layernas-controller --data-dir /var/lib/layernas");
  app.add_option("--data-dir", options.data_dir, "Folder for the searches' state; made if there is none")
      ->required()
      ->envname("LAYERNAS_DATA_DIR");
  app.add_option("--listen", listen, "HOST:PORT for clients and workers; port 0 takes any free one")
      ->capture_default_str()
      ->envname("LAYERNAS_LISTEN");
  app.add_option("--metrics-listen", metrics_listen, "HOST:PORT for Prometheus (http, /metrics)")
      ->capture_default_str()
      ->envname("LAYERNAS_METRICS_LISTEN");
  app.add_flag("--insecure-listen", insecure_listen,
               "Allow addresses other than loopback, though whoever can reach them can do anything");
  app.add_option("--lease-duration", lease_duration,
                 "How long a worker may be silent before its candidates go to others")
      ->capture_default_str();
  app.add_option("--ready-file", options.ready_file, "Written once the controller serves: its addresses, as JSON");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->default_val("info")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  app.add_flag("--check", options.check, "Check the data folder instead of serving it, say what is in it, and exit");

  try {
    app.parse(argc, argv);
    std::string wrong = ParseInto(listen, options.listen, rpc::ParseAddress);
    if (wrong.empty()) wrong = ParseInto(metrics_listen, options.metrics_listen, rpc::ParseAddress);
    if (wrong.empty()) wrong = ParseInto(lease_duration, options.lease_duration, ParseDuration);
    if (wrong.empty() && options.lease_duration < Millis{500}) wrong = "--lease-duration: must be at least 500ms";
    if (wrong.empty() && !insecure_listen && !(IsLoopback(options.listen) && IsLoopback(options.metrics_listen))) {
      wrong =
          "--listen and --metrics-listen: only loopback addresses are served, for there is no authentication; "
          "--insecure-listen allows others";
    }
    if (!wrong.empty()) throw CLI::ValidationError(wrong, 2);
  } catch (const CLI::ParseError& error) {
    result.exit = true;
    result.exit_code = app.exit(error) == 0 ? 0 : 2;
  }
  return result;
}

}  // namespace layernas
