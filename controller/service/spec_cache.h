// Specs as the service needs them for every answer: parsed once, not for each.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "common/base/mutex.h"
#include "controller/service/task_encoder.h"

namespace layernas {

// The specs used last, within 64 MiB. Thread-safe.
class SpecCache {
 public:
  // `serialized` as the engine's views have it: specs are told apart by where they lie.
  std::shared_ptr<const TaskEncoder> Get(const std::shared_ptr<const std::string>& serialized);

 private:
  struct Entry {
    // Keeps the place from being used for another spec.
    std::shared_ptr<const std::string> serialized;
    std::shared_ptr<const TaskEncoder> encoder;
  };

  Mutex mutex_;
  // The one used last in front.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<const std::string*, std::list<Entry>::iterator> by_place_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace layernas
