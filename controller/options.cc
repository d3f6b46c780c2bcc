#include "controller/options.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/duration.h"
#include "common/build_info/build_info.h"
#include "common/cli/configuration.h"
#include "common/help/help_formatter.h"

namespace layernas {
namespace {

constexpr char kSecurity[] = "Security";

// Parses `text` with `parse` into `value`. Returns an error message that names `option`, or "".
template <typename T, typename Parse>
std::string ParseInto(const std::string& option, const std::string& text, T& value, Parse parse) {
  auto parsed = parse(text);
  if (!parsed.ok()) return option + ": " + std::string(parsed.status().message());
  value = *parsed;
  return "";
}

// Returns why the controller must not listen on the addresses, or "" if it may.
std::string CheckExposure(const ControllerOptions& options, bool insecure_listen, bool insecure_metrics_listen) {
  if (!options.listen.IsLoopback() && !insecure_listen) {
    const bool encrypted = options.tls.enabled();
    const bool authenticated = !options.token_file.empty() || !options.tls.client_ca_file.empty();
    if (!encrypted || !authenticated) {
      return "--listen: " + options.listen.ToString() + " is not loopback and needs " +
             (encrypted ? "" : "TLS (--tls-cert and --tls-key)") + (encrypted || authenticated ? "" : " and ") +
             (authenticated ? "" : "authentication (--token-file or --tls-client-ca)") +
             "; in a trusted network you can use --insecure-listen instead";
    }
  }
  if (!options.metrics_listen.IsLoopback() && !insecure_listen && !insecure_metrics_listen) {
    return "--metrics-listen: " + options.metrics_listen.ToString() +
           " is not loopback: anyone who can reach it can read the metrics; in a trusted network you can allow it with "
           "--insecure-metrics-listen";
  }
  return "";
}

}  // namespace

ParsedCommandLine ParseCommandLine(int argc, char** argv) {
  ParsedCommandLine result;
  ControllerOptions& options = result.options;
  std::string listen = "127.0.0.1:7060";
  std::string metrics_listen = "127.0.0.1:7061";
  std::string lease_duration = "30s";
  std::string retention;
  std::size_t spec_mib = options.quotas.spec_bytes >> 20;
  bool insecure_listen = false;
  bool insecure_metrics_listen = false;

  CLI::App app("Run searches: give architectures to workers, store their results, and serve clients",
               "layernas-controller");
  app.set_version_flag("--version", VersionText("layernas-controller"));
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer("Example:\n  layernas-controller --data-dir /var/lib/layernas");
  app.add_option("--data-dir", options.data_dir, "Directory for search state (created if missing)")
      ->type_name("DIR")
      ->required();
  app.add_option(
         "--backup-dir", options.backup_dir,
         "Directory for the backups of this controller only (created if missing; default: backups are disabled)")
      ->type_name("DIR");
  app.add_option("--listen", listen, "Address for clients and workers; port 0 selects a free port")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("--metrics-listen", metrics_listen, "Address for Prometheus (HTTP, /metrics)")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("--tls-cert", options.tls.certificate_file,
                 "Use TLS with this certificate, followed by its chain of issuers (PEM)")
      ->type_name("FILE")
      ->group(kSecurity);
  app.add_option("--tls-key", options.tls.key_file, "Private key of --tls-cert (PEM)")
      ->type_name("FILE")
      ->group(kSecurity);
  app.add_option("--tls-client-ca", options.tls.client_ca_file, "Require a client certificate signed by this CA (PEM)")
      ->type_name("FILE")
      ->group(kSecurity);
  app.add_option("--token-file", options.token_file,
                 "Accept only callers with a token listed in this file; create its lines with 'layernas admin token'")
      ->type_name("FILE")
      ->group(kSecurity);
  app.add_flag("--insecure-listen", insecure_listen,
               "Allow addresses other than loopback without TLS or authentication: anyone who can reach them can do "
               "anything")
      ->group(kSecurity);
  app.add_flag("--insecure-metrics-listen", insecure_metrics_listen,
               "Allow a --metrics-listen other than loopback: anyone who can reach it can read the metrics")
      ->group(kSecurity);
  app.add_option("--max-polls-per-host", options.gate.polls_per_host, "Maximum open LeaseTasks calls per host")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-streams-per-host", options.gate.streams_per_host, "Maximum open streams per host")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-searches-per-caller", options.quotas.open_searches,
                 "Maximum unfinished searches per token owner, or per host without tokens")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-spec-mib-per-caller", spec_mib, "Maximum total spec size of one caller's searches, in MiB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-workers-per-caller", options.quotas.workers, "Maximum recently active workers per caller")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--lease-duration", lease_duration,
                 "Reassign the candidates of a worker that has been silent for this long")
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--retention", retention,
                 "Delete ended searches and all their results after this time (default: keep them)")
      ->type_name("DURATION");
  app.add_option("--ready-file", options.ready_file,
                 "Write the controller's addresses to this file, as JSON, once it serves")
      ->type_name("FILE");
  app.add_option("--log-level", options.log_level, "Minimum level to log")
      ->default_val("info")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  app.add_flag(
         "--drop-damaged-log", options.drop_damaged_log,
         "Start although a power cut damaged the log; drops all writes after the damage, perhaps acknowledged ones "
         "(prefer restoring a recent backup)")
      ->configurable(false);
  app.add_flag("--check", options.check, "Check the data directory, print a summary, and exit without serving")
      ->configurable(false);

  cli::Configuration configuration(app, {"LAYERNAS_CONTROLLER_CONFIG", {}});
  try {
    configuration.Parse({argv + 1, argv + argc});
    std::string wrong = ParseInto("--listen", listen, options.listen, rpc::ParseAddress);
    if (wrong.empty()) wrong = ParseInto("--metrics-listen", metrics_listen, options.metrics_listen, rpc::ParseAddress);
    if (wrong.empty()) wrong = ParseInto("--lease-duration", lease_duration, options.lease_duration, ParseDuration);
    if (wrong.empty() && options.lease_duration < Millis{500}) wrong = "--lease-duration: must be at least 500ms";
    if (wrong.empty() && !retention.empty()) {
      wrong = ParseInto("--retention", retention, options.retention, ParseDuration);
      if (wrong.empty() && options.retention < Millis{1000}) wrong = "--retention: must be at least 1s";
    }
    options.quotas.spec_bytes = spec_mib << 20;
    if (wrong.empty()) wrong = CheckExposure(options, insecure_listen, insecure_metrics_listen);
    if (!wrong.empty()) throw CLI::ValidationError(configuration.Locate(wrong), 2);
  } catch (const CLI::ParseError& error) {
    result.exit = true;
    result.exit_code = cli::PrintAndExitCode(app, error);
  }
  return result;
}

}  // namespace layernas
