// By which name each worker's process is known: its id, unless two processes that are alive have been given the same
// one.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

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

  // Returns the id of the worker that has the name, or null if nobody has it.
  using IdOf = absl::FunctionRef<const std::string*(const std::string& name)>;

  // A process was heard. The latest of an id has the id as its name, as a worker that is restarted does. If the one
  // before is heard again, both are alive: it is called `{id}~{start of its instance}` from then on. So is one whose id
  // happens to be such a name, which another has already. Nobody else's name ever changes, and no two workers share
  // one. Names are UTF-8 if id and instance are.
  Heard Hear(const std::string& id, const std::string& instance, IdOf id_of);
  // What Hear() would say; changes nothing.
  std::string NameOf(const std::string& id, const std::string& instance, IdOf id_of) const;
  // The names that the process may have had before a restart of the controller, which forgets them.
  static std::vector<std::string> FormerNames(const std::string& id, const std::string& instance);
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

  // For one that cannot have its id.
  static std::string OwnName(const std::string& id, const std::string& instance, IdOf id_of);
  static bool IsAnothers(const std::string& id, IdOf id_of);
  void Tidy(const std::string& id);

  std::map<std::string, Processes> by_id_;
};

}  // namespace layernas
