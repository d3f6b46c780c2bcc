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
           "Talk TLS, with a controller that has a certificate of this authority (PEM)");
  add_file("--tls-cert", "LAYERNAS_TLS_CERT", security.tls.certificate_file,
           "Certificate to show to a controller that asks for one (PEM)");
  add_file("--tls-key", "LAYERNAS_TLS_KEY", security.tls.key_file, "Its private key (PEM)");
  add_file("--token-file", "LAYERNAS_TOKEN_FILE", security.token_file,
           "File with the token that lets us in, and nothing else");
  app.add_flag("--insecure-token", security.insecure_token,
               "Let the token go over the network without TLS, where whoever listens can take it")
      ->option_text("(env LAYERNAS_INSECURE_TOKEN)")
      ->group(kGroup)
      ->configurable();
}

}  // namespace layernas::cli
