// The half of a search that hands candidates out.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "controller/core/search_parts.h"

namespace layernas::core {

// Of a search that is running. Not thread-safe.
class Leasing {
 public:
  // `parts` must outlive it.
  explicit Leasing(SearchParts& parts) : parts_(parts) {}

  // As Search's.
  std::size_t Ready(TaskKind kind) const;
  const Candidate* Lease(const std::string& worker, const std::string& request_id, Instant now, TaskKind kind,
                         Others others);
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted);

 private:
  // How many more may be under way, and how many may be measured ahead of the trainings.
  std::size_t FreePlaces() const;
  std::size_t PlacesAhead() const;
  // A candidate that was never leased before; null if there is none now.
  Candidate* Begin(UnixMillis now);

  SearchParts& parts_;
};

}  // namespace layernas::core
