#include "controller/options.h"

#include <CLI/CLI.hpp>

#include "common/base/duration.h"
#include "common/build_info/build_info.h"
#include "common/cli/configuration.h"

namespace layernas {
namespace {

constexpr char kSecurity[] = "Security";

// Parses the text of `option` by `parse` into `value`; the message if it can't be.
template <typename T, typename Parse>
std::string ParseInto(const std::string& option, const std::string& text, T& value, Parse parse) {
  auto parsed = parse(text);
  if (!parsed.ok()) return option + ": " + std::string(parsed.status().message());
  value = *parsed;
  return "";
}

// Why the addresses may not be listened on; empty if they may.
std::string CheckExposure(const ControllerOptions& options, bool insecure_listen, bool insecure_metrics_listen) {
  if (!options.listen.IsLoopback() && !insecure_listen) {
    const bool encrypted = options.tls.enabled();
    const bool authenticated = !options.token_file.empty() || !options.tls.client_ca_file.empty();
    if (!encrypted || !authenticated) {
      return "--listen: " + options.listen.ToString() + " is not loopback, and so needs " +
             (encrypted ? "" : "TLS (--tls-cert and --tls-key)") + (encrypted || authenticated ? "" : " and ") +
             (authenticated ? "" : "a check of who calls (--token-file or --tls-client-ca)") +
             "; --insecure-listen does without, in a network that you trust";
    }
  }
  if (!options.metrics_listen.IsLoopback() && !insecure_listen && !insecure_metrics_listen) {
    return "--metrics-listen: " + options.metrics_listen.ToString() +
           " is not loopback, and metrics are for everyone who can reach them; --insecure-metrics-listen allows it, in "
           "a network that you trust";
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

  CLI::App app("Runs searches: hands architectures to workers, keeps what they report, answers clients.",
               "layernas-controller");
  app.set_version_flag("--version", VersionText("layernas-controller"));
  app.footer("Example:\n  layernas-controller --data-dir /var/lib/layernas");
  app.add_option("--data-dir", options.data_dir, "Folder for the searches' state; made if there is none")
      ->option_text("DIR REQUIRED")
      ->required();
  app.add_option(
         "--backup-dir", options.backup_dir,
         "Folder for what 'layernas admin backup' makes, of this controller alone; made if there is none. Without "
         "it no backups are made")
      ->option_text("DIR");
  app.add_option("--listen", listen, "HOST:PORT for clients and workers; port 0 takes any free one")
      ->capture_default_str();
  app.add_option("--metrics-listen", metrics_listen, "HOST:PORT for Prometheus (http, /metrics)")
      ->capture_default_str();
  app.add_option("--tls-cert", options.tls.certificate_file,
                 "Talk TLS: our certificate, followed by those that lead to its issuer (PEM)")
      ->option_text("FILE")
      ->group(kSecurity);
  app.add_option("--tls-key", options.tls.key_file, "Its private key (PEM)")->option_text("FILE")->group(kSecurity);
  app.add_option("--tls-client-ca", options.tls.client_ca_file,
                 "Ask callers for a certificate of this authority (PEM), and turn others away")
      ->option_text("FILE")
      ->group(kSecurity);
  app.add_option("--token-file", options.token_file,
                 "Let in only callers with a token listed here; 'layernas admin token' makes the lines")
      ->option_text("FILE")
      ->group(kSecurity);
  app.add_flag("--insecure-listen", insecure_listen,
               "Allow addresses other than loopback without TLS and without a check of who calls: whoever can reach "
               "them can do anything")
      ->group(kSecurity);
  app.add_flag("--insecure-metrics-listen", insecure_metrics_listen,
               "Allow a --metrics-listen other than loopback: whoever can reach it can read the metrics")
      ->group(kSecurity);
  app.add_option("--max-polls-per-host", options.gate.polls_per_host, "Most calls of LeaseTasks open from one host")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-streams-per-host", options.gate.streams_per_host, "Most streams open from one host")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-searches-per-caller", options.quotas.open_searches,
                 "Most searches that have not ended, of one token's owner, or of one host where there are no tokens")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-spec-mib-per-caller", spec_mib, "Most MiB of specs of all searches that one caller has made")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--max-workers-per-caller", options.quotas.workers,
                 "Most workers of one caller that were heard from lately")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000))
      ->group(kSecurity);
  app.add_option("--lease-duration", lease_duration,
                 "How long a worker may be silent before its candidates go to others")
      ->capture_default_str();
  app.add_option("--retention", retention,
                 "Delete searches, with all their results, so long after they have ended; without it they are kept")
      ->option_text("DURATION");
  app.add_option("--ready-file", options.ready_file, "Written once the controller serves: its addresses, as JSON");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->default_val("info")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  app.add_flag(
         "--drop-damaged-log", options.drop_damaged_log,
         "Where a power cut damaged the data folder's log, start without what was written from the damage on: mostly "
         "what was never acknowledged, but nobody can tell. Better restore a backup, if it is recent")
      ->configurable(false);
  app.add_flag("--check", options.check, "Check the data folder instead of serving it, say what is in it, and exit")
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
