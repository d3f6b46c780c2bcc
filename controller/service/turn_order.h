// Work that waits, in the order in which its callers get their turns.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>

namespace layernas {

// Serves the callers in turn, so that no caller waits for all the work of another one. Not
// thread-safe.
class TurnOrder {
 public:
  // Returns false if `max_waiting` pieces of the caller's work already wait.
  bool Add(const std::string& caller, std::size_t max_waiting, std::function<void()> work);
  bool empty() const { return waiting_.empty(); }
  // Removes and returns the next piece. Requires that there is one.
  std::function<void()> Take();

 private:
  // Contains only callers with waiting work.
  std::map<std::string, std::deque<std::function<void()>>> waiting_;
  // The caller whose work was taken last.
  std::string last_;
};

}  // namespace layernas
