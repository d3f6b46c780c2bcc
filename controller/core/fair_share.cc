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
  for (const Claim& claim : competing_) {
    accounts_[claim.search].virtual_seconds += seconds * static_cast<double>(claim.running) / claim.sharing.weight;
  }
  LimitGaps();
}

void FairShare::LimitGaps() {
  const double most = kMaxOwedSlots * Horizon(competing_);
  std::vector<const Claim*> ordered;
  for (const Claim& claim : competing_) ordered.push_back(&claim);
  const auto rank = [this](const Claim* claim) {
    return std::pair(claim->sharing.priority, accounts_[claim->search].virtual_seconds);
  };
  std::sort(ordered.begin(), ordered.end(), [&rank](const Claim* a, const Claim* b) { return rank(a) < rank(b); });
  double before = 0;
  double after = 0;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    double& time = accounts_[ordered[i]->search].virtual_seconds;
    const bool is_first = i == 0 || ordered[i - 1]->sharing.priority != ordered[i]->sharing.priority;
    double gap = 0;
    if (!is_first) {
      const double lighter = std::min(ordered[i - 1]->sharing.weight, ordered[i]->sharing.weight);
      gap = std::min(time - before, most / lighter);
    }
    before = time;
    after = is_first ? 0 : after + gap;
    time = after;
  }
}

void FairShare::Compete(std::vector<Claim> claims) {
  std::set<std::uint64_t> newcomers;
  for (const Claim& claim : claims) {
    const bool goes_on = std::any_of(competing_.begin(), competing_.end(), [&claim](const Claim& before) {
      return claim.search == before.search && claim.sharing.priority == before.sharing.priority;
    });
    if (!goes_on) newcomers.insert(claim.search);
  }
  // They are neither ahead nor behind.
  for (const Claim& claim : claims) {
    if (!newcomers.contains(claim.search)) continue;
    accounts_[claim.search].virtual_seconds = MeanVirtualSeconds(claims, claim.sharing.priority, newcomers);
  }
  competing_ = std::move(claims);
}

double FairShare::MeanVirtualSeconds(std::span<const Claim> claims, int priority,
                                     const std::set<std::uint64_t>& left_out) const {
  double weight = 0;
  double sum = 0;
  for (const Claim& claim : claims) {
    const auto account = accounts_.find(claim.search);
    if (claim.sharing.priority != priority || account == accounts_.end() || left_out.contains(claim.search)) continue;
    weight += claim.sharing.weight;
    sum += claim.sharing.weight * account->second.virtual_seconds;
  }
  return weight > 0 ? sum / weight : 0;
}

std::size_t FairShare::Next(std::span<const Claim> claims) const {
  int priority = claims.front().sharing.priority;
  for (const Claim& claim : claims) priority = std::max(priority, claim.sharing.priority);
  Total total;
  for (const Claim& claim : claims) {
    if (claim.sharing.priority == priority) total.Add(claim);
  }
  const double horizon = Horizon(claims);
  const double mean = MeanVirtualSeconds(claims, priority, {});
  std::size_t next = claims.size();
  double most = 0;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const Claim& claim = claims[i];
    if (claim.sharing.priority != priority) continue;
    double lacks = (total.running + 1) * claim.sharing.weight / total.weight - static_cast<double>(claim.running);
    if (const auto account = accounts_.find(claim.search); account != accounts_.end() && horizon > 0) {
      const double owed = claim.sharing.weight * (mean - account->second.virtual_seconds);
      lacks += std::clamp(owed / horizon, -kMaxOwedSlots, kMaxOwedSlots);
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
