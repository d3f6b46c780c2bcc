// Specs as the service needs them for every answer: parsed once, not for each.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "controller/engine/views.h"
#include "layernas/v1/spec.pb.h"

namespace layernas {

// Immutable.
class ParsedSpec {
 public:
  explicit ParsedSpec(const std::string& serialized);

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

// Those used last. Thread-safe.
class SpecCache {
 public:
  // `serialized` as the engine's views have it: specs are told apart by where they lie.
  std::shared_ptr<const ParsedSpec> Get(const std::shared_ptr<const std::string>& serialized);

 private:
  struct Entry {
    // Keeps the place from being used for another spec.
    std::shared_ptr<const std::string> serialized;
    std::shared_ptr<const ParsedSpec> parsed;
  };

  Mutex mutex_;
  // The one used last in front.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<const std::string*, std::list<Entry>::iterator> by_place_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace layernas
