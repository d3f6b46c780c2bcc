// Makes starting a thread fail, as if a limit on processes was reached.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace layernas {

// While this object exists, no thread can be started in this process. At most one object may exist
// at a time.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&usual_);
    pthread_attr_t unusable;
    pthread_attr_init(&unusable);
    // The address space has no room for such a stack.
    pthread_attr_setstacksize(&unusable, std::size_t{1} << 60);
    pthread_setattr_default_np(&unusable);
    pthread_attr_destroy(&unusable);
  }
  ~NoThreads() {
    pthread_setattr_default_np(&usual_);
    pthread_attr_destroy(&usual_);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t usual_;
};

}  // namespace layernas
