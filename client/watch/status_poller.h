// Asks how a search and the fleet stand, for a view that shows more than the feed of changes tells.
#pragma once

#include <string>
#include <thread>

#include "client/controller_connection.h"
#include "client/stop_signal.h"
#include "client/watch/watch_view.h"

namespace layernas::client {

// Once a second while it lives, on a thread of its own. An answer that does not come is not missed: the watch itself
// says so.
class StatusPoller {
 public:
  StatusPoller(ControllerConnection& connection, std::string name, WatchView& view);
  ~StatusPoller();
  StatusPoller(const StatusPoller&) = delete;
  StatusPoller& operator=(const StatusPoller&) = delete;

 private:
  void Poll();

  ControllerConnection& connection_;
  const std::string name_;
  WatchView& view_;
  StopSignal ended_;
  std::thread thread_;
};

}  // namespace layernas::client
