#include "controller/core/fair_share.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace layernas::core {
namespace {

// Maximum slots owed. Rounding owes at most one; more would be a reserve that a search spends in a
// burst.
constexpr double kMaxOwedSlots = 2;
// The weight of a new duration in the mean.
constexpr double kNewDuration = 0.1;

// The sums over the claims of one priority.
struct Total {
  double weight = 0;
  double running = 0;

  void Add(const FairShare::Claim& claim) {
    weight += claim.sharing.weight;
    running += static_cast<double>(claim.running);
  }
};

}  // namespace

void FairShare::Advance(SteadyTime now) {
  const double seconds = std::chrono::duration<double>(now - std::exchange(advanced_to_, now)).count();
  if (competing_.empty() || seconds <= 0) return;
  std::map<int, Total> totals;
  for (const Claim& claim : competing_) totals[claim.sharing.priority].Add(claim);
  const double most = kMaxOwedSlots * Horizon(competing_);
  for (const Claim& claim : competing_) {
    const Total& total = totals[claim.sharing.priority];
    const double due = total.running * claim.sharing.weight / total.weight;
    double& owed = accounts_[claim.search].owed;
    owed = std::clamp(owed + seconds * (due - static_cast<double>(claim.running)), -most, most);
  }
}

void FairShare::Compete(std::vector<Claim> claims) {
  for (const Claim& before : competing_) {
    const bool goes_on = std::any_of(claims.begin(), claims.end(),
                                     [&before](const Claim& claim) { return claim.search == before.search; });
    const auto account = accounts_.find(before.search);
    if (!goes_on && account != accounts_.end()) account->second.owed = 0;
  }
  competing_ = std::move(claims);
}

std::size_t FairShare::Next(std::span<const Claim> claims) const {
  int priority = claims.front().sharing.priority;
  for (const Claim& claim : claims) priority = std::max(priority, claim.sharing.priority);
  Total total;
  for (const Claim& claim : claims) {
    if (claim.sharing.priority == priority) total.Add(claim);
  }
  const double horizon = Horizon(claims);
  std::size_t next = claims.size();
  double most = 0;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const Claim& claim = claims[i];
    if (claim.sharing.priority != priority) continue;
    double lacks = (total.running + 1) * claim.sharing.weight / total.weight - static_cast<double>(claim.running);
    if (const auto account = accounts_.find(claim.search); account != accounts_.end() && horizon > 0) {
      lacks += account->second.owed / horizon;
    }
    if (next == claims.size() || lacks > most) {
      next = i;
      most = lacks;
    }
  }
  return next;
}

void FairShare::Took(std::uint64_t search, Millis duration) {
  double& mean = accounts_[search].mean_seconds;
  const double seconds = std::chrono::duration<double>(duration).count();
  mean = mean == 0 ? seconds : mean + kNewDuration * (seconds - mean);
}

void FairShare::Forget(std::uint64_t search) {
  accounts_.erase(search);
  std::erase_if(competing_, [search](const Claim& claim) { return claim.search == search; });
}

double FairShare::Horizon(std::span<const Claim> claims) const {
  double horizon = 0;
  for (const Claim& claim : claims) {
    const auto account = accounts_.find(claim.search);
    if (account != accounts_.end()) horizon = std::max(horizon, account->second.mean_seconds);
  }
  return horizon;
}

}  // namespace layernas::core
