// Where work runs that the engine does not do itself.
#pragma once

#include <functional>

namespace layernas {

// Runs what it is given, one after the other, at some time after Post() has returned or within it. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Post(std::function<void()> work) = 0;
};

}  // namespace layernas
