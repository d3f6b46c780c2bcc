// Twins: candidates with different architectures that are the same network. Only the first of them
// is trained; the others follow it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/core/candidate.h"

namespace layernas::core {

// Returns a string that two architectures share only if they are the same network, and if each may
// take over the cost of the other; empty if that is unknown.
using NetworkIdentity = std::function<std::string(const Architecture&)>;

// Contains only first trainings, neither repeats nor full trainings. Not thread-safe.
class TwinBook {
 public:
  // Without an identity there are no twins.
  explicit TwinBook(NetworkIdentity identity) : identity_(std::move(identity)) {}

  // Returns the number of the candidate that others of the same network follow. Returns 0 if there
  // was none; the others then follow this candidate.
  std::uint64_t Meet(const Candidate& candidate);
  // Makes the others follow this candidate.
  void Lead(const Candidate& candidate);

  // Lets the twin wait for the outcome of the candidate that it follows.
  void Wait(std::uint64_t followed, std::uint64_t twin) { waiting_[followed].push_back(twin); }
  // Returns and forgets the twins that wait for the candidate, in the order of Wait().
  std::vector<std::uint64_t> TakeWaiting(std::uint64_t followed);

 private:
  const NetworkIdentity identity_;
  std::unordered_map<std::string, std::uint64_t> first_of_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> waiting_;
};

}  // namespace layernas::core
