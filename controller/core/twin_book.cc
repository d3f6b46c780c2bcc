#include "controller/core/twin_book.h"

#include <utility>

namespace layernas::core {

std::uint64_t TwinBook::Meet(const Candidate& candidate) {
  if (!identity_) return 0;
  std::string identity = identity_(candidate.architecture);
  if (identity.empty()) return 0;
  const auto [first, is_new] = first_of_.emplace(std::move(identity), candidate.number);
  return is_new ? 0 : first->second;
}

void TwinBook::Lead(const Candidate& candidate) {
  if (!identity_) return;
  std::string identity = identity_(candidate.architecture);
  if (!identity.empty()) first_of_[std::move(identity)] = candidate.number;
}

std::vector<std::uint64_t> TwinBook::TakeWaiting(std::uint64_t followed) {
  auto waiting = waiting_.extract(followed);
  return waiting.empty() ? std::vector<std::uint64_t>() : std::move(waiting.mapped());
}

}  // namespace layernas::core
