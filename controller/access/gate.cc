#include "controller/access/gate.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/log/log.h"
#include "common/rpc/client_token.h"
#include "controller/access/methods.h"

namespace layernas {
namespace {

constexpr Millis kLogPeriod{5'000};

// Returns a list such as "client or admin".
std::string RolesFor(Access access) {
  std::string roles;
  for (const security::Role role : security::kRoles) {
    if (Permits(role, access)) absl::StrAppend(&roles, roles.empty() ? "" : " or ", std::string(Name(role)));
  }
  return roles;
}

}  // namespace

Gate::Gate(const TokenFile* tokens, const GateOptions& options, ControllerMetrics& metrics)
    : tokens_(tokens),
      polls_("LeaseTasks calls", "--max-polls-per-host", options.polls_per_host),
      streams_("streams", "--max-streams-per-host", options.streams_per_host),
      no_token_{metrics.CallsRefused("no_token"), log::RateLimit(kLogPeriod)},
      malformed_token_{metrics.CallsRefused("malformed_token"), log::RateLimit(kLogPeriod)},
      unknown_token_{metrics.CallsRefused("unknown_token"), log::RateLimit(kLogPeriod)},
      wrong_role_{metrics.CallsRefused("wrong_role"), log::RateLimit(kLogPeriod)},
      too_many_polls_{metrics.CallsRefused("too_many_polls"), log::RateLimit(kLogPeriod)},
      too_many_streams_{metrics.CallsRefused("too_many_streams"), log::RateLimit(kLogPeriod)} {}

absl::StatusOr<std::string> Gate::Admit(const Metadata& metadata, const std::string& peer, std::string_view method) {
  if (tokens_ == nullptr) return PeerHost(peer);
  const std::optional<Access> access = AccessOf(method);
  if (access == Access::kOpen) return PeerHost(peer);

  const auto [first, last] = metadata.equal_range(rpc::kAuthorization);
  if (first == last) {
    return Refuse(
        no_token_,
        absl::UnauthenticatedError("the controller requires a token: set --token-file or LAYERNAS_TOKEN_FILE to the "
                                   "file that contains yours"),
        peer, method, "");
  }
  const absl::string_view value(first->second.data(), first->second.size());
  if (std::next(first) != last || !absl::StartsWithIgnoreCase(value, rpc::kBearer)) {
    return Refuse(
        malformed_token_,
        absl::UnauthenticatedError("the controller requires exactly one token: \"authorization: Bearer TOKEN\""), peer,
        method, "");
  }
  const std::string_view token(value.data(), value.size());
  const std::optional<Caller> caller = tokens_->Find(token.substr(std::string_view(rpc::kBearer).size()));
  if (!caller) {
    return Refuse(unknown_token_,
                  absl::UnauthenticatedError("unknown token: it may have been replaced; use the current one"), peer,
                  method, "");
  }
  if (!access || !Permits(caller->role, *access)) {
    const std::string wanted = access ? RolesFor(*access) : "nobody";
    return Refuse(wrong_role_,
                  absl::PermissionDeniedError(absl::StrCat("the token of ", caller->name, " has the role ",
                                                           std::string(Name(caller->role)), ", but ",
                                                           std::string(method), " is for ", wanted)),
                  peer, method, caller->name);
  }
  return caller->name;
}

absl::StatusOr<std::string> Gate::Admit(const grpc::CallbackServerContext& context, std::string_view method) {
  return Admit(context.client_metadata(), context.peer(), method);
}

absl::StatusOr<OpenCalls::Place> Gate::EnterPoll(const std::string& peer) {
  return Enter(polls_, too_many_polls_, peer, "LeaseTasks");
}

absl::StatusOr<OpenCalls::Place> Gate::EnterStream(const std::string& peer) {
  return Enter(streams_, too_many_streams_, peer, "a stream");
}

absl::StatusOr<OpenCalls::Place> Gate::Enter(OpenCalls& calls, Reason& reason, const std::string& peer,
                                             std::string_view method) {
  absl::StatusOr<OpenCalls::Place> place = calls.Enter(PeerHost(peer));
  if (!place.ok()) return Refuse(reason, place.status(), peer, method, "");
  return place;
}

absl::Status Gate::Refuse(Reason& reason, absl::Status status, const std::string& peer, std::string_view method,
                          std::string_view caller) {
  reason.refused.Increment();
  if (const auto left_out = reason.limit.Take()) {
    log::Warning("refused a call", {{"call", method},
                                    {"peer", peer},
                                    {"caller", caller},
                                    {"why", std::string(status.message())},
                                    {"left_out_before", *left_out}});
  }
  return status;
}

}  // namespace layernas
