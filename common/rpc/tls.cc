#include "common/rpc/tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/security/file.h"

namespace layernas::rpc {
namespace {

using grpc::experimental::FileWatcherCertificateProvider;
using security::Privacy;

constexpr unsigned kLookAgainSeconds = 5;
constexpr std::size_t kMaxPemBytes = 4 << 20;

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* object) const { Free(object); }
};
void FreeBio(BIO* bio) { BIO_free(bio); }
using Bio = std::unique_ptr<BIO, Deleter<BIO, FreeBio>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;

Bio Open(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Replaces OpenSSL's function, which would ask for a password on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Status Unfit(const std::string& flag, const std::string& path, const std::string& why) {
  // OpenSSL's errors do not help users, and must be removed before gRPC finds them.
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(flag, ": ", path, ": ", why));
}

absl::StatusOr<std::string> Read(const std::string& flag, const std::string& path, Privacy privacy) {
  auto content = security::ReadFile(path, kMaxPemBytes, privacy);
  if (content.ok()) return std::move(content->text);
  return absl::Status(content.status().code(), absl::StrCat(flag, ": ", content.status().message()));
}

// Returns the first certificate of the file.
absl::StatusOr<Certificate> ReadCertificate(const std::string& flag, const std::string& path) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::string text, Read(flag, path, Privacy::kPublic));
  Certificate certificate(PEM_read_bio_X509(Open(text).get(), nullptr, NoPassword, nullptr));
  if (certificate == nullptr) return Unfit(flag, path, "contains no certificate in PEM format");
  return certificate;
}

// gRPC accepts any files and then refuses every connection. Checked here, an error can name the
// file.
absl::Status CheckPair(const std::string& certificate_file, const std::string& key_file) {
  if (certificate_file.empty() || key_file.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key: give both or neither");
  }
  LAYERNAS_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate("--tls-cert", certificate_file));
  LAYERNAS_ASSIGN_OR_RETURN(const std::string text, Read("--tls-key", key_file, Privacy::kPrivate));
  const Key key(PEM_read_bio_PrivateKey(Open(text).get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) return Unfit("--tls-key", key_file, "contains no private key in PEM format without a password");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return Unfit("--tls-key", key_file, "is not the key of the certificate in " + certificate_file);
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return Unfit("--tls-cert", certificate_file, "has expired");
  }
  return absl::OkStatus();
}

std::shared_ptr<FileWatcherCertificateProvider> WatchFiles(const std::string& key_file,
                                                           const std::string& certificate_file,
                                                           const std::string& ca_file) {
  return std::make_shared<FileWatcherCertificateProvider>(key_file, certificate_file, ca_file, kLookAgainSeconds);
}

}  // namespace

absl::StatusOr<std::int64_t> CertificateEnd(const std::string& certificate_file) {
  LAYERNAS_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate("--tls-cert", certificate_file));
  std::tm end = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return Unfit("--tls-cert", certificate_file, "has no valid expiry time");
  }
  return ::timegm(&end);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const ServerTls& tls) {
  if (!tls.enabled() && tls.key_file.empty() && tls.client_ca_file.empty()) return grpc::InsecureServerCredentials();
  LAYERNAS_RETURN_IF_ERROR(CheckPair(tls.certificate_file, tls.key_file));
  const bool mutual = !tls.client_ca_file.empty();
  if (mutual) LAYERNAS_RETURN_IF_ERROR(ReadCertificate("--tls-client-ca", tls.client_ca_file).status());

  grpc::experimental::TlsServerCredentialsOptions options(
      WatchFiles(tls.key_file, tls.certificate_file, tls.client_ca_file));
  options.watch_identity_key_cert_pairs();
  if (mutual) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const ChannelTls& tls) {
  const bool shows_certificate = !tls.certificate_file.empty() || !tls.key_file.empty();
  if (!tls.enabled()) {
    if (!shows_certificate) return grpc::InsecureChannelCredentials();
    return absl::InvalidArgumentError("--tls-cert and --tls-key: require --tls-ca, which turns on TLS");
  }
  LAYERNAS_RETURN_IF_ERROR(ReadCertificate("--tls-ca", tls.ca_file).status());
  if (shows_certificate) LAYERNAS_RETURN_IF_ERROR(CheckPair(tls.certificate_file, tls.key_file));

  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(WatchFiles(tls.key_file, tls.certificate_file, tls.ca_file));
  options.watch_root_certs();
  if (shows_certificate) options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

std::string TlsAdvice(std::string_view message) {
  const auto says = [message](std::string_view text) { return message.find(text) != std::string_view::npos; };
  if (says("certificate verify failed") || says("Hostname Verification Check failed")) {
    return "its certificate is not from the authority in --tls-ca, or not valid for this address";
  }
  // For example, this happens if the server requires a certificate and the client cannot be told
  // why it was refused.
  if (says("Socket closed") || says("Connection reset") || says("Broken pipe") || says("SSL")) {
    return "a server answers there; check whether it uses TLS (--tls-ca) and requires a certificate (--tls-cert, "
           "--tls-key)";
  }
  return "";
}

}  // namespace layernas::rpc
