#include "controller/core/search_changes.h"

#include <utility>

namespace layernas::core {

void NotedChanges::Note(SearchParts& parts) {
  Position position = parts.strategy->position();
  std::vector<BestWithinTarget> best = parts.BestPerTarget();
  const std::string& searching_over = parts.phase.searching_over();
  if (position == position_ && best == best_ && searching_over == searching_over_) return;
  position_ = std::move(position);
  best_ = std::move(best);
  searching_over_ = searching_over;
  parts.is_changed = true;
}

Changes NotedChanges::Take(SearchParts& parts) {
  return {std::exchange(parts.is_changed, false), parts.candidates.TakeDirty(),
          std::exchange(tables_, parts.strategy->FinalTables().size())};
}

}  // namespace layernas::core
