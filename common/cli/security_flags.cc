#include "common/cli/security_flags.h"

namespace layernas::cli {

void AddSecurityFlags(CLI::App& app, rpc::ChannelSecurity& security) {
  constexpr char kGroup[] = "Security";
  const auto add_file = [&](const char* flag, const char* environment, std::string& file, const char* description) {
    app.add_option(flag, file, description)
        ->option_text(std::string("FILE (env ") + environment + ")")
        ->group(kGroup)
        ->configurable();
  };
  add_file("--tls-ca", "LAYERNAS_TLS_CA", security.tls.ca_file,
           "Use TLS and verify the controller with this CA certificate (PEM)");
  add_file("--tls-cert", "LAYERNAS_TLS_CERT", security.tls.certificate_file,
           "Client certificate, if the controller requires one (PEM)");
  add_file("--tls-key", "LAYERNAS_TLS_KEY", security.tls.key_file, "Private key of --tls-cert (PEM)");
  add_file("--token-file", "LAYERNAS_TOKEN_FILE", security.token_file, "File containing only the authentication token");
  app.add_flag("--insecure-token", security.insecure_token,
               "Allow sending the token without TLS; anyone on the network can then read it")
      ->option_text("(env LAYERNAS_INSECURE_TOKEN)")
      ->group(kGroup)
      ->configurable();
}

}  // namespace layernas::cli
