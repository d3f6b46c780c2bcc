// A small HTTP server for one document that is made when it is asked for. Over prometheus-cpp's own server because
// Debian's build of that one serves no IPv6, hides why it can't listen, and takes 2 s to stop.
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

// Answers GET and HEAD of one path, one request per connection, on a thread of its own. What strangers send costs it
// little: a request has at most 16 KiB, a connection at most 10 s, and no more than 64 are open at once: a further one
// closes the oldest that has not asked.
class HttpServer {
 public:
  // The host may be a name, an IPv4 or an IPv6 address; "::" takes IPv4, too. Port 0 takes any free one. `body` is
  // called on the server's thread for each request. UNAVAILABLE says why the address can't be listened on.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const rpc::Address& address, std::string path,
                                                           std::string content_type, std::function<std::string()> body,
                                                           const Clock& clock = Clock::Real());
  // Stops at once, after a call of `body` that is under way. The port is free then.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The real one.
  std::uint16_t port() const { return port_; }

 private:
  HttpServer(Fd listener, Fd stop, std::uint16_t port, std::string path, std::string content_type,
             std::function<std::string()> body, const Clock& clock);
  void Run();
  std::string Answer(const std::string& request) const;

  const Fd listener_;
  // Readable once the server is to stop.
  const Fd stop_;
  const std::uint16_t port_;
  const std::string path_;
  const std::string content_type_;
  const std::function<std::string()> body_;
  const Clock& clock_;
  // Last, for it uses the others.
  std::thread thread_;
};

}  // namespace layernas
