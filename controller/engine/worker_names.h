// By which name each worker's process is known: its id, unless two processes that are alive have been given the same
// one.
#pragma once

#include <map>
#include <string>

namespace layernas {

// A process says of itself an id, and its instance, which it drew when it started. One that says no instance is known
// by its id alone. Not thread-safe. O(log n).
class WorkerNames {
 public:
  struct Heard {
    std::string name;
    // Another process that is called `renamed` from now on: this one was thought to have been followed by it, and is
    // heard again. Else empty.
    std::string renamed = {};
    std::string renamed_instance = {};
  };

  // A process was heard. The latest of an id has it as its name, as a worker that is restarted does; of two that are
  // both heard the first keeps it, for its failures are known under it, and the other becomes `{id}~{start of its
  // instance}`.
  Heard Hear(const std::string& id, const std::string& instance);
  // Changes nothing: also of a process that was never heard, by its id.
  std::string NameOf(const std::string& id, const std::string& instance) const;
  // The process is gone.
  void Forget(const std::string& id, const std::string& instance);
  bool empty() const { return by_id_.empty(); }

 private:
  struct Processes {
    // That has the id as its name; empty if none has.
    std::string current;
    // The others, and their names. One that is followed by another has none.
    std::map<std::string, std::string> names;
  };

  std::map<std::string, Processes> by_id_;
};

}  // namespace layernas
