// Encodes the tasks of a search as messages. Their common part is encoded only once.
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

  // The spec with its defaults.
  const v1::SearchSpec& spec() const { return spec_; }
  // Appends a field with the serialized task. In an answer with many tasks, most bytes are the same
  // for all of them.
  void AppendTask(int field, const LeasedTask& task, Millis lease_duration, std::string& out) const;
  // Returns the approximate memory size.
  std::size_t bytes() const { return bytes_; }

 private:
  void AppendArchitecture(const core::Architecture& architecture, std::string& out) const;

  v1::SearchSpec spec_;
  // The fields of a task that are the same for the whole search.
  std::string task_;
  // The same for full trainings of winners; empty if there are none.
  std::string final_task_;
  // [layer][option]: the serialized field of an architecture. Empty if this would be too large.
  std::vector<std::vector<std::string>> layers_;
  std::size_t bytes_ = 0;
};

}  // namespace layernas
