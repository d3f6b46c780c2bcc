// Checks the consistency of a store from outside.
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
  // The problems found; each names its search. Empty: the store is consistent.
  std::vector<std::string> problems;
};

// Checks a store. It reads every file to its end. It recomputes every final table of every search
// from the candidates and compares it with the stored one. It checks that each candidate's record
// is consistent and occurs once.
absl::StatusOr<CheckReport> CheckStore(const storage::Store& store, const SpecParser& parse_spec);

}  // namespace layernas
