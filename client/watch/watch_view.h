// Views of a watched search: lines, JSON, or a progress bar.
#pragma once

#include <memory>
#include <string>

#include "client/terminal.h"
#include "client/watch/watch_state.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

// Show, Notice and End must not be called concurrently.
class WatchView {
 public:
  virtual ~WatchView() = default;
  // Called for every change of the search and its candidates, in order.
  virtual void Show(const v1::WatchSearchResponse& change) = 0;
  // A message for the user: the connection was lost or restored.
  virtual void Notice(const std::string& text) = 0;
  // Whether the view uses Status.
  virtual bool WantsStatus() const { return false; }
  // State of the search and the fleet, polled on another thread.
  virtual void Status(const v1::Search& /*search*/, const Fleet& /*fleet*/) {}
  // Whether output was lost, so that watching is useless.
  virtual bool OutputLost() { return false; }
  // Called after the last change. Restores the terminal.
  virtual void End() = 0;
};

// Prints one line per finished candidate and per change of the search.
std::unique_ptr<WatchView> MakeLineView(const Terminal& terminal);
// Prints one JSON object per line and change; notices go to standard error.
std::unique_ptr<WatchView> MakeJsonView(const Terminal& terminal);
// Redraws a few lines in place, also while nothing changes.
std::unique_ptr<WatchView> MakeProgressView(const Terminal& terminal);

}  // namespace layernas::client
