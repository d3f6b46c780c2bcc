// Who works, and when each was heard from.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <string>

#include "controller/engine/views.h"

namespace layernas {

// O(log n) per call. Not thread-safe.
class WorkerBook {
 public:
  struct Worker {
    WorkerInfo info;
    SteadyTime heard;
    // Where it is in the order of hearing.
    std::list<std::string>::iterator order;
  };

  // Times never go back from call to call.
  void Hear(const WorkerInfo& worker, SteadyTime now);
  // Forgets those that were not heard from since `since`, but for those that `is_there` knows of: they are heard from
  // now.
  void Forget(SteadyTime since, SteadyTime now, const std::function<bool(const std::string& id)>& is_there);

  // By id.
  const std::map<std::string, Worker>& workers() const { return workers_; }

 private:
  std::map<std::string, Worker> workers_;
  // Ids, the one longest silent first.
  std::list<std::string> by_hearing_;
};

}  // namespace layernas
