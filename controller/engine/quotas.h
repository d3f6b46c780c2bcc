// Limits per caller: the owner of a token, or a host if there are no tokens (Gate::Admit). Nothing
// is counted for callers without a name, such as those of searches from older versions that stored
// no owner.
#pragma once

#include <cstddef>

namespace layernas {

struct Quotas {
  // Maximum unfinished searches.
  std::size_t open_searches = 1'000;
  // Maximum bytes of the specs of all its searches, including ended ones.
  std::size_t spec_bytes = std::size_t{256} << 20;
  // Maximum recently active workers.
  std::size_t workers = 5'000;
};

}  // namespace layernas
