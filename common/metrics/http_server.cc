#include "common/metrics/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace layernas {
namespace {

constexpr std::size_t kMaxConnections = 64;
constexpr std::size_t kMaxRequestBytes = 16 << 10;
constexpr std::chrono::seconds kMaxConnectionTime{10};

std::string Reason(int error) { return std::generic_category().message(error); }

struct Listening {
  Fd socket;
  std::uint16_t port = 0;
};

// Returns an error number, or 0.
int Listen(const addrinfo& where, Listening& listening) {
  Fd socket(::socket(where.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno;
  const int on = 1;
  const int off = 0;
  // The port can be reused at once after a restart. A port on which another socket listens is still
  // refused.
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (where.ai_family == AF_INET6) setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(socket.get(), where.ai_addr, where.ai_addrlen) != 0 || listen(socket.get(), SOMAXCONN) != 0) return errno;
  sockaddr_storage bound = {};
  socklen_t size = sizeof(bound);
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return errno;
  // The port is at the same place for both kinds of address, but their types differ.
  listening.port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                                     : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  listening.socket = std::move(socket);
  return 0;
}

// Listens on the first of the host's addresses for which that is possible.
absl::StatusOr<Listening> Listen(const rpc::Address& address) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return absl::UnavailableError(failed == EAI_SYSTEM ? Reason(errno) : gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  Listening listening;
  int error = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    error = Listen(*one, listening);
    if (error == 0) return listening;
  }
  return absl::UnavailableError(Reason(error));
}

std::string Response(std::string_view status, std::string_view type, const std::string& body, bool with_body) {
  std::string response;
  response.append("HTTP/1.1 ").append(status).append("\r\nContent-Type: ").append(type);
  response.append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\nConnection: close\r\n\r\n");
  if (with_body) response.append(body);
  return response;
}

std::string Refusal(std::string_view status) {
  return Response(status, "text/plain; charset=utf-8", std::string(status) + "\n", true);
}

// One request and its response.
struct Connection {
  Fd socket;
  SteadyTime deadline;
  std::string request;
  std::string response;
  std::size_t sent = 0;
  // True: the client has ended its side of the connection.
  bool heard_all = false;

  bool answering() const { return !response.empty(); }
  // True when the response is sent. Further bytes from the client are then read and dropped,
  // because closing earlier would drop the response too.
  bool answered() const { return answering() && sent == response.size(); }
};

// Returns true if the connection stays open.
bool Receive(Connection& connection, const std::function<std::string(const std::string&)>& answer) {
  std::array<char, 4096> buffer;
  const ssize_t count = recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) connection.heard_all = true;
  // A client may end its side after its request and still gets the response.
  if (count == 0) return connection.answering() && !connection.answered();
  if (connection.answering()) return true;
  connection.request.append(buffer.data(), static_cast<std::size_t>(count));
  if (connection.request.find("\r\n\r\n") != std::string::npos) {
    connection.response = answer(connection.request);
  } else if (connection.request.size() > kMaxRequestBytes) {
    connection.response = Refusal("431 Request Header Fields Too Large");
  }
  return true;
}

// Closes the oldest connection that has not sent its request yet, or else the oldest. So clients
// that send their request at once get an answer, however many others hold connections open.
void MakeRoom(std::list<Connection>& connections) {
  auto closed = std::find_if(connections.begin(), connections.end(), [](const auto& one) { return !one.answering(); });
  connections.erase(closed == connections.end() ? connections.begin() : closed);
}

bool Send(Connection& connection) {
  const ssize_t count = send(connection.socket.get(), connection.response.data() + connection.sent,
                             connection.response.size() - connection.sent, MSG_NOSIGNAL);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  connection.sent += static_cast<std::size_t>(count);
  if (!connection.answered()) return true;
  shutdown(connection.socket.get(), SHUT_WR);
  return !connection.heard_all;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const rpc::Address& address, std::string path,
                                                              std::string content_type,
                                                              std::function<std::string()> body, const Clock& clock) {
  absl::StatusOr<Listening> listening = Listen(address);
  if (!listening.ok()) return listening.status();
  Fd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return absl::UnavailableError(Reason(errno));
  try {
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(listening->socket), std::move(stop), listening->port,
                                                      std::move(path), std::move(content_type), std::move(body),
                                                      clock));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError("cannot start a thread: " + error.code().message());
  }
}

HttpServer::HttpServer(Fd listener, Fd stop, std::uint16_t port, std::string path, std::string content_type,
                       std::function<std::string()> body, const Clock& clock)
    : listener_(std::move(listener)),
      stop_(std::move(stop)),
      port_(port),
      path_(std::move(path)),
      content_type_(std::move(content_type)),
      body_(std::move(body)),
      clock_(clock),
      thread_([this] { Run(); }) {}

HttpServer::~HttpServer() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void HttpServer::Run() {
  const auto answer = [this](const std::string& request) { return Answer(request); };
  std::list<Connection> connections;
  std::vector<pollfd> polled;
  SteadyTime accept_after = {};
  while (true) {
    const SteadyTime now = clock_.Now();
    std::erase_if(connections, [now](const Connection& one) { return one.deadline <= now; });
    const bool accepts = accept_after <= now;
    polled.clear();
    polled.push_back({stop_.get(), POLLIN, 0});
    polled.push_back({listener_.get(), static_cast<short>(accepts ? POLLIN : 0), 0});
    for (const Connection& one : connections) {
      const bool sends = one.answering() && !one.answered();
      const int events = (one.heard_all ? 0 : POLLIN) | (sends ? POLLOUT : 0);
      polled.push_back({one.socket.get(), static_cast<short>(events), 0});
    }
    // Wakes up from time to time for the deadlines. The interval is not critical.
    const bool waits_for_time = !connections.empty() || !accepts;
    if (poll(polled.data(), polled.size(), waits_for_time ? 1000 : -1) < 0) continue;
    if (polled[0].revents != 0) return;
    auto events = polled.begin() + 2;
    for (auto one = connections.begin(); one != connections.end(); ++events) {
      bool open = true;
      if ((events->revents & (POLLHUP | POLLERR)) != 0) open = false;
      if (open && (events->revents & POLLIN) != 0) open = Receive(*one, answer);
      if (open && (events->revents & POLLOUT) != 0) open = Send(*one);
      one = open ? std::next(one) : connections.erase(one);
    }
    if (polled[1].revents == 0) continue;
    Fd accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.valid()) {
      if (connections.size() >= kMaxConnections) MakeRoom(connections);
      connections.push_back({std::move(accepted), clock_.Now() + kMaxConnectionTime, {}, {}, 0, false});
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // The connection still waits. Without a pause, accepting it would be retried at full speed.
      accept_after = clock_.Now() + std::chrono::seconds(1);
    }
  }
}

std::string HttpServer::Answer(const std::string& request) const {
  const std::string_view line = std::string_view(request).substr(0, request.find("\r\n"));
  const std::size_t method_end = line.find(' ');
  const std::size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end == method_end ||
      !line.substr(target_end + 1).starts_with("HTTP/1.")) {
    return Refusal("400 Bad Request");
  }
  const std::string_view method = line.substr(0, method_end);
  const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  if (target.substr(0, target.find('?')) != path_) return Refusal("404 Not Found");
  if (method != "GET" && method != "HEAD") return Refusal("405 Method Not Allowed");
  return Response("200 OK", content_type_, body_(), method == "GET");
}

}  // namespace layernas
