// What one caller may have: the owner of a token, or a host where there are no tokens (Gate::Admit). Of callers without
// a name, such as those of searches that were made by versions which noted none, nothing is counted.
#pragma once

#include <cstddef>

namespace layernas {

struct Quotas {
  // Searches that have not ended.
  std::size_t open_searches = 1'000;
  // Bytes of the specs of all its searches, those that have ended included.
  std::size_t spec_bytes = std::size_t{256} << 20;
  // Workers that were heard from lately.
  std::size_t workers = 5'000;
};

}  // namespace layernas
