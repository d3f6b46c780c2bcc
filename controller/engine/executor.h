// Runs work that the engine does not do on its own thread.
#pragma once

#include <functional>

namespace layernas {

// Runs functions one after the other, during Post() or later. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Post(std::function<void()> work) = 0;
};

}  // namespace layernas
