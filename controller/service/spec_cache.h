// Caches specs in the form that the service needs for every answer, so that each is parsed once.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "controller/service/task_encoder.h"

namespace layernas {

// Keeps the most recently used specs, up to 64 MiB. Thread-safe.
class SpecCache {
 public:
  // `serialized` must come from the engine's views: specs are identified by their address.
  std::shared_ptr<const TaskEncoder> Get(const std::shared_ptr<const std::string>& serialized);

 private:
  struct Entry {
    // Keeps the address from being reused for another spec.
    std::shared_ptr<const std::string> serialized;
    std::shared_ptr<const TaskEncoder> encoder;
  };

  Mutex mutex_;
  // Most recently used first.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<const std::string*, std::list<Entry>::iterator> by_place_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace layernas
