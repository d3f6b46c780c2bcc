// Polls the state of a search and of the fleet, for a view that shows more than the stream of
// changes.
#pragma once

#include <optional>
#include <string>
#include <thread>

#include "client/controller_connection.h"
#include "client/stop_signal.h"
#include "client/watch/watch_view.h"

namespace layernas::client {

// Polls once a second on its own thread during its lifetime. Ignores failed calls, because the
// watch reports them.
class StatusPoller {
 public:
  StatusPoller(ControllerConnection& connection, std::string name, WatchView& view);
  ~StatusPoller();
  StatusPoller(const StatusPoller&) = delete;
  StatusPoller& operator=(const StatusPoller&) = delete;

 private:
  void Poll();
  // Returns nothing if the controller does not answer.
  std::optional<Fleet> CountFleet();

  ControllerConnection& connection_;
  const std::string name_;
  WatchView& view_;
  StopSignal ended_;
  std::thread thread_;
};

}  // namespace layernas::client
