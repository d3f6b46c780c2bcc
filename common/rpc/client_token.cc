#include "common/rpc/client_token.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "common/security/token.h"

namespace layernas::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;

constexpr Millis kLookAgain{1'000};
constexpr std::size_t kMaxTokenFileBytes = 4096;

// Returns the token and the version of the file from which it was read.
absl::StatusOr<security::FileContent> ReadToken(const std::string& path) {
  LAYERNAS_ASSIGN_OR_RETURN(security::FileContent file,
                            security::ReadFile(path, kMaxTokenFileBytes, security::Privacy::kPrivate));
  const std::size_t end = file.text.find_last_not_of(" \t\r\n");
  file.text.resize(end == std::string::npos ? 0 : end + 1);
  if (const absl::Status fit = security::CheckToken(file.text); !fit.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": contains no token: ", fit.message()));
  }
  return file;
}

class TokenInterceptor final : public Interceptor {
 public:
  explicit TokenInterceptor(ClientToken& token) : token_(token) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->emplace(kAuthorization, kBearer + token_.Current());
    }
    methods->Proceed();
  }

 private:
  ClientToken& token_;
};

class TokenInterceptorFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenInterceptorFactory(std::unique_ptr<ClientToken> token) : token_(std::move(token)) {}

  Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo*) override {
    return new TokenInterceptor(*token_);
  }

 private:
  const std::unique_ptr<ClientToken> token_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ClientToken>> ClientToken::Open(const std::string& path, const Clock& clock) {
  LAYERNAS_ASSIGN_OR_RETURN(security::FileContent file, ReadToken(path));
  return std::unique_ptr<ClientToken>(new ClientToken(path, std::move(file.text), file.version, clock));
}

ClientToken::ClientToken(std::string path, std::string token, const security::FileVersion& version, const Clock& clock)
    : path_(std::move(path)), clock_(clock), token_(std::move(token)), version_(version), looked_(clock.Now()) {}

std::string ClientToken::Current() {
  MutexLock lock(mutex_);
  if (clock_.Now() - looked_ < kLookAgain) return token_;
  looked_ = clock_.Now();
  const auto version = security::VersionOf(path_);
  if (!version || (*version == version_ && unused_.empty())) return token_;
  const bool is_new = *version != version_;
  auto file = ReadToken(path_);
  version_ = file.ok() ? file->version : *version;
  const std::string unused = std::exchange(unused_, std::string(file.status().message()));
  if (file.ok()) {
    token_ = std::move(file->text);
    log::Info("using a new token", {{"file", path_}});
  } else if (is_new || unused != unused_) {
    log::Error("cannot use the new token; keeping the old one", {{"error", unused_}});
  }
  return token_;
}

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> MakeTokenInterceptor(
    std::unique_ptr<ClientToken> token) {
  return std::make_unique<TokenInterceptorFactory>(std::move(token));
}

}  // namespace layernas::rpc
