// Which data of a search must be written. Internal to Search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "controller/core/search_parts.h"

namespace layernas::core {

// The changes to write since the last Search::TakeChanges().
struct Changes {
  // The state, the stage or a best result changed.
  bool search = false;
  // Changed candidates, each once, in the order of their first change.
  std::vector<std::uint64_t> candidates;
  // Index of the first new table in Search::final_tables().
  std::size_t new_tables_from = 0;

  bool Any() const { return search || !candidates.empty(); }
};

// Remembers what was last seen of the parts that do not report their changes themselves.
class NotedChanges {
 public:
  // Sets parts.is_changed if the position, a best result or the end of the proposals has changed since
  // the last call.
  void Note(SearchParts& parts);
  // Returns all changes since the last call.
  Changes Take(SearchParts& parts);

 private:
  std::size_t tables_ = 0;
  Position position_;
  std::vector<BestWithinTarget> best_;
  std::string searching_over_;
};

}  // namespace layernas::core
