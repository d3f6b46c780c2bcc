// The part of a search that hands out candidates.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "controller/core/reporting.h"
#include "controller/core/search_parts.h"

namespace layernas::core {

// Works on a running search. Not thread-safe.
class Leasing {
 public:
  // Both arguments must outlive this object. `reporting` settles proposals that are twins.
  Leasing(SearchParts& parts, Reporting& reporting) : parts_(parts), reporting_(reporting) {}

  // See Search for the following functions.
  std::size_t Ready(TaskKind kind) const;
  const Candidate* Lease(const std::string& worker, const std::string& request_id, Instant now, TaskKind kind,
                         Others others);
  bool AwaitsWork(TaskKind kind) const;
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted);
  bool HasMoreTwins() const { return has_more_twins_; }
  // Returns how many more candidates may be in progress.
  std::size_t FreePlaces() const;

 private:
  // Returns how many candidates may be measured ahead of the trainings.
  std::size_t PlacesAhead() const;
  // Starts a candidate that was never leased and is no twin. Returns null if there is none now, or
  // if it would take too long to find it; HasMoreTwins() tells which.
  Candidate* BeginTraining(UnixMillis now);
  // Starts a candidate that was never leased. Returns null if there is none now.
  Candidate* Begin(UnixMillis now);

  SearchParts& parts_;
  Reporting& reporting_;
  bool has_more_twins_ = false;
};

}  // namespace layernas::core
