// By which name each worker's process is known: its id, unless two processes that are alive have been given the same
// one.
#pragma once

#include <map>
#include <set>
#include <string>

namespace layernas {

// A process says of itself an id, and its instance, which it drew when it started. One that says no instance is known
// by its id alone. Not thread-safe. O(log n).
class WorkerNames {
 public:
  struct Heard {
    std::string name;
    // It was thought to have been followed by another process of its id, and has a name of its own from now on.
    bool is_told_apart = false;
  };

  // A process was heard. The latest of an id has the id as its name, as a worker that is restarted does. If the one
  // before is heard again, both are alive: it is called `{id}~{start of its instance}` from then on. Nobody else's name
  // ever changes.
  Heard Hear(const std::string& id, const std::string& instance);
  // What Hear() would say; changes nothing.
  std::string NameOf(const std::string& id, const std::string& instance) const;
  // Nobody has that name any more.
  void ForgetName(const std::string& id, const std::string& name);
  // One that has been followed is gone.
  void ForgetFollowed(const std::string& id, const std::string& instance);
  bool empty() const { return by_id_.empty(); }

 private:
  struct Processes {
    // That has the id as its name; empty if none has.
    std::string current;
    // That it had before, and that were not heard since.
    std::set<std::string> followed;
    // The others that are alive, and their names.
    std::map<std::string, std::string> names;
  };

  // For one that has been followed.
  static std::string OwnName(const Processes& known, const std::string& id, const std::string& instance);
  void Tidy(const std::string& id);

  std::map<std::string, Processes> by_id_;
};

}  // namespace layernas
