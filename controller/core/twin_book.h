// Which candidates are twins: other architectures, but one and the same network. Of twins only the first is trained,
// and the others follow it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/core/candidate.h"

namespace layernas::core {

// Returns what two architectures share only if they are the same network; empty if that is unknown.
using NetworkIdentity = std::function<std::string(const Architecture&)>;

// Knows first trainings only: neither repeats nor trainings in full. Not thread-safe.
class TwinBook {
 public:
  // Without an identity no candidates are twins.
  explicit TwinBook(NetworkIdentity identity) : identity_(std::move(identity)) {}

  // Returns the number of the candidate that others of the same network follow, or 0 if there was none: then it is
  // this one from now on.
  std::uint64_t Meet(const Candidate& candidate);
  // From now on the others follow this candidate.
  void Lead(const Candidate& candidate);

  // The twin waits for the outcome of the candidate that it follows.
  void Wait(std::uint64_t followed, std::uint64_t twin) { waiting_[followed].push_back(twin); }
  // Returns the twins that wait for the candidate, in the order of Wait(), and forgets them.
  std::vector<std::uint64_t> TakeWaiting(std::uint64_t followed);

 private:
  const NetworkIdentity identity_;
  std::unordered_map<std::string, std::uint64_t> first_of_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> waiting_;
};

}  // namespace layernas::core
