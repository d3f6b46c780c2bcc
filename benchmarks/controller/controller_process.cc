#include "benchmarks/controller/controller_process.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/address.h"

namespace layernas::bench {
namespace {

constexpr std::chrono::seconds kStartTimeout{300};
constexpr Millis kStopTimeout{60'000};
constexpr timeval kScrapeTimeout{10, 0};

// Returns the answer to a GET of /metrics; empty if there is none.
std::string Scrape(std::uint16_t port) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kScrapeTimeout, sizeof(kScrapeTimeout));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return "";
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  char buffer[1 << 14];
  for (ssize_t got = 0; (got = ::recv(socket.get(), buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, got);
  return answer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerProcess>> ControllerProcess::Start(ControllerProcessOptions options) {
  std::unique_ptr<ControllerProcess> process(new ControllerProcess(std::move(options)));
  std::string name = (process->options_.parent / "layernas-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("cannot create a directory in ", process->options_.parent.string()));
  }
  process->folder_ = name;
  LAYERNAS_RETURN_IF_ERROR(process->Launch());
  return process;
}

ControllerProcess::~ControllerProcess() {
  if (child_ != nullptr) child_->Terminate(kStopTimeout);
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

absl::Status ControllerProcess::Restart(bool kill) {
  if (kill) {
    child_->Kill();
    if (!child_->Wait(kStopTimeout)) return absl::InternalError("the controller survived SIGKILL");
  } else if (const ExitStatus exit = child_->Terminate(kStopTimeout); !exit.ok()) {
    return absl::InternalError(absl::StrCat("the controller ended with ", exit.ToString()));
  }
  return Launch();
}

absl::Status ControllerProcess::Launch() {
  const std::filesystem::path ready_file = folder_ / "ready.json";
  std::error_code ignored;
  std::filesystem::remove(ready_file, ignored);
  ChildOptions child;
  child.argv = {options_.program, "--data-dir", folder_ / "data", "--listen", address_, "--metrics-listen",
                metrics_address_, "--ready-file", ready_file, "--lease-duration", options_.lease_duration,
                "--log-level", "warning",
                // The whole fleet is on this host.
                "--max-polls-per-host", "100000"};
  child.pipes = false;
  // Not a session of its own: the scheduler would then wake the controller for every single call
  // instead of weighing it with the threads that load it.
  child.own_session = false;
  child.on_stderr_line = [](std::string_view line) {
    std::fprintf(stderr, "controller: %.*s\n", static_cast<int>(line.size()), line.data());
  };
  const auto begin = std::chrono::steady_clock::now();
  LAYERNAS_ASSIGN_OR_RETURN(child_, ChildProcess::Start(std::move(child)));
  while (!std::filesystem::exists(ready_file)) {
    if (const auto exit = child_->Wait(Millis{0})) {
      return absl::InternalError(absl::StrCat("the controller has ended: ", exit->ToString()));
    }
    if (std::chrono::steady_clock::now() - begin > kStartTimeout) {
      return absl::DeadlineExceededError("the controller did not become ready in time");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  start_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const nlohmann::json ready = nlohmann::json::parse(std::ifstream(ready_file), nullptr, /*allow_exceptions=*/false);
  if (!ready.is_object() || !ready.contains("address") || !ready.contains("metrics_address")) {
    return absl::InternalError("the controller's ready file is invalid");
  }
  address_ = ready["address"].get<std::string>();
  metrics_address_ = ready["metrics_address"].get<std::string>();
  return absl::OkStatus();
}

absl::StatusOr<double> ControllerProcess::ReadMetric(const std::string& name) const {
  LAYERNAS_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(metrics_address_));
  const std::string page = Scrape(address.port);
  const std::string line = absl::StrCat("\n", name, " ");
  const std::size_t found = page.find(line);
  if (found == std::string::npos) return absl::NotFoundError(absl::StrCat("the controller has no metric ", name));
  return std::strtod(page.c_str() + found + line.size(), nullptr);
}

}  // namespace layernas::bench
