// What a watched search looks like: lines, JSON, or a progress bar.
#pragma once

#include <memory>
#include <string>

#include "client/terminal.h"
#include "client/watch/watch_state.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

// Show, Notice and End are called from one thread at a time.
class WatchView {
 public:
  virtual ~WatchView() = default;
  // Every change of the search and its candidates, in order.
  virtual void Show(const v1::WatchSearchResponse& change) = 0;
  // For the watcher himself: the connection broke, or came back.
  virtual void Notice(const std::string& text) = 0;
  // Whether Status is of use to it.
  virtual bool WantsStatus() const { return false; }
  // How search and fleet stand, asked for now and then; from another thread.
  virtual void Status(const v1::Search& /*search*/, const Fleet& /*fleet*/) {}
  // Whether something could not be written where the view writes to: watching on is of no use.
  virtual bool OutputLost() { return false; }
  // No more will come. Leaves the terminal as it should be.
  virtual void End() = 0;
};

// One line per finished candidate and per change of the search.
std::unique_ptr<WatchView> MakeLineView(const Terminal& terminal);
// One JSON object per line and change; notices go to standard error.
std::unique_ptr<WatchView> MakeJsonView(const Terminal& terminal);
// Some lines that are redrawn in place, also while nothing changes.
std::unique_ptr<WatchView> MakeProgressView(const Terminal& terminal);

}  // namespace layernas::client
