// The names of workers' processes: a process is known by its id, unless two live processes were
// given the same id.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

namespace layernas {

// A process sends an id, and the instance that it drew when it started. A process without an
// instance is known only by its id. Not thread-safe. O(log n).
class WorkerNames {
 public:
  struct Heard {
    std::string name;
    // The process seemed to have been replaced by another process with its id. It has its own name
    // from now on.
    bool is_told_apart = false;
  };

  // Returns the id of the worker with this name, or null if there is none.
  using IdOf = absl::FunctionRef<const std::string*(const std::string& name)>;

  // A process was heard; returns its name. The latest process of an id gets the id as its name, as
  // for a restarted worker. If the previous process is heard again, both are alive: the previous
  // one is then called `{id}~{start of its instance}`. The same happens to a process whose id is a
  // name that another process already has. No other process is ever renamed, and no two workers
  // share a name. Names are UTF-8 if id and instance are.
  Heard Hear(const std::string& id, const std::string& instance, IdOf id_of);
  // Returns the name that Hear() would return; changes nothing.
  std::string NameOf(const std::string& id, const std::string& instance, IdOf id_of) const;
  // Returns the names that the process may have had before a restart of the controller, which
  // forgets them.
  static std::vector<std::string> FormerNames(const std::string& id, const std::string& instance);
  // No process has that name any more.
  void ForgetName(const std::string& id, const std::string& name);
  // A process that was followed by another one has ended.
  void ForgetFollowed(const std::string& id, const std::string& instance);
  bool empty() const { return by_id_.empty(); }

 private:
  struct Processes {
    // The process that has the id as its name; empty if there is none.
    std::string current;
    // Processes that had the id before and were not heard since.
    std::set<std::string> followed;
    // The other live processes, and their names.
    std::map<std::string, std::string> names;
  };

  // Returns the name of a process that cannot have its id as its name.
  static std::string OwnName(const std::string& id, const std::string& instance, IdOf id_of);
  static bool IsAnothers(const std::string& id, IdOf id_of);
  void Tidy(const std::string& id);

  std::map<std::string, Processes> by_id_;
};

}  // namespace layernas
