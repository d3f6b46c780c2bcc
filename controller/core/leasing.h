// The half of a search that hands candidates out.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "controller/core/reporting.h"
#include "controller/core/search_parts.h"

namespace layernas::core {

// Of a search that is running. Not thread-safe.
class Leasing {
 public:
  // Both must outlive it. `reporting` settles the proposals that are twins.
  Leasing(SearchParts& parts, Reporting& reporting) : parts_(parts), reporting_(reporting) {}

  // As Search's.
  std::size_t Ready(TaskKind kind) const;
  const Candidate* Lease(const std::string& worker, const std::string& request_id, Instant now, TaskKind kind,
                         Others others);
  bool AwaitsWork(TaskKind kind) const;
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted);
  bool HasMoreTwins() const { return has_more_twins_; }

 private:
  // How many more may be under way, and how many may be measured ahead of the trainings.
  std::size_t FreePlaces() const;
  std::size_t PlacesAhead() const;
  // A candidate that was never leased before and is no twin; null if there is none now, or it would take too long to
  // find it: HasMoreTwins() tells.
  Candidate* BeginTraining(UnixMillis now);
  // A candidate that was never leased before; null if there is none now.
  Candidate* Begin(UnixMillis now);

  SearchParts& parts_;
  Reporting& reporting_;
  bool has_more_twins_ = false;
};

}  // namespace layernas::core
