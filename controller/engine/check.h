// A look at a store from outside: is everything in it consistent?
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/engine/engine.h"
#include "controller/storage/store.h"

namespace layernas {

struct CheckReport {
  std::size_t searches = 0;
  std::size_t candidates = 0;
  std::size_t tables = 0;
  // What is wrong, each naming its search. Empty: all is well.
  std::vector<std::string> problems;
};

// Reads every file of the store to its end; recomputes every final table of every search from its candidates and
// compares it with the stored one; checks that each candidate's record agrees with itself and occurs once.
absl::StatusOr<CheckReport> CheckStore(const storage::Store& store, const SpecParser& parse_spec);

}  // namespace layernas
