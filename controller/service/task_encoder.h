// The tasks of a search on the wire. What they have in common is encoded once, not for each.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "controller/engine/views.h"
#include "layernas/v1/spec.pb.h"

namespace layernas {

// Immutable.
class TaskEncoder {
 public:
  explicit TaskEncoder(const std::string& serialized);

  // With its defaults.
  const v1::SearchSpec& spec() const { return spec_; }
  // Appends a field that holds the task, serialized: of an answer with many tasks most bytes are the same for all.
  void AppendTask(int field, const LeasedTask& task, Millis lease_duration, std::string& out) const;
  // Of memory, about.
  std::size_t bytes() const { return bytes_; }

 private:
  void AppendArchitecture(const core::Architecture& architecture, std::string& out) const;

  v1::SearchSpec spec_;
  // Fields of a task that are the search's.
  std::string task_;
  // Those of a winner's training in full; empty where there is none.
  std::string final_task_;
  // By layer and option: the field of an architecture that holds it, serialized. Empty where that would be too much.
  std::vector<std::vector<std::string>> layers_;
  std::size_t bytes_ = 0;
};

}  // namespace layernas
