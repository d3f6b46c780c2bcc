// A small HTTP server for one document, which is created for each request. It replaces
// prometheus-cpp's own server: Debian's build of that serves no IPv6, hides why it cannot listen,
// and takes 2 s to stop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/process/fd.h"
#include "common/rpc/address.h"

namespace layernas {

// Answers GET and HEAD requests for one path, one request per connection, on its own thread.
// Untrusted clients cannot use up much: a request has at most 16 KiB, a connection takes at most 10
// s, and at most 64 connections are open. A further connection closes the oldest one that has not
// sent its request.
class HttpServer {
 public:
  // The host is a name, an IPv4 or an IPv6 address; "::" also accepts IPv4. Port 0 selects a free
  // port. `body` is called on the server's thread for each request. UNAVAILABLE says why the server
  // cannot listen on the address.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const rpc::Address& address, std::string path,
                                                           std::string content_type, std::function<std::string()> body,
                                                           const Clock& clock = Clock::Real());
  // Stops at once, or after a call of `body` that is in progress. Then the port is free.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The actual port.
  std::uint16_t port() const { return port_; }

 private:
  HttpServer(Fd listener, Fd stop, std::uint16_t port, std::string path, std::string content_type,
             std::function<std::string()> body, const Clock& clock);
  void Run();
  std::string Answer(const std::string& request) const;

  const Fd listener_;
  // Readable when the server must stop.
  const Fd stop_;
  const std::uint16_t port_;
  const std::string path_;
  const std::string content_type_;
  const std::function<std::string()> body_;
  const Clock& clock_;
  // The last member, because it uses the others.
  std::thread thread_;
};

}  // namespace layernas
