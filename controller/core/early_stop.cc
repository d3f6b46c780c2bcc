#include "controller/core/early_stop.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace layernas::core {
namespace {

// Returns the best reward up to each point.
Curve RunningBest(Curve curve) {
  for (std::size_t i = 1; i < curve.size(); ++i) curve[i].reward = std::max(curve[i].reward, curve[i - 1].reward);
  return curve;
}

// Returns the best reward up to an epoch, or nothing if there is no point that early.
std::optional<double> BestAt(const Curve& best, int epoch) {
  const auto after = std::upper_bound(best.begin(), best.end(), epoch,
                                      [](int wanted, const CurvePoint& point) { return wanted < point.epoch; });
  if (after == best.begin()) return std::nullopt;
  return std::prev(after)->reward;
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// Returns the value at `x` of the least-squares line through the pairs (x, y).
double Extrapolate(const std::vector<std::pair<double, double>>& pairs, double x) {
  double mean_x = 0;
  double mean_y = 0;
  for (const auto& [one, other] : pairs) {
    mean_x += one / static_cast<double>(pairs.size());
    mean_y += other / static_cast<double>(pairs.size());
  }
  double variance = 0;
  double covariance = 0;
  for (const auto& [one, other] : pairs) {
    variance += (one - mean_x) * (one - mean_x);
    covariance += (one - mean_x) * (other - mean_y);
  }
  // A training that did worse so far must not be expected to end better. If nothing shows how much a
  // difference in rewards changes until the end, it is expected to stay.
  const double slope = variance > 0 ? std::max(0.0, covariance / variance) : 1;
  return mean_y + slope * (x - mean_x);
}

}  // namespace

void MedianRule::Add(std::uint64_t number, double cost, const Curve& curve, std::optional<double> reward) {
  if (options_.compared == 0 || curve.empty()) return;
  trainings_.emplace(std::pair(cost, number), Training{RunningBest(curve), reward});
}

std::optional<double> MedianRule::Judge(double cost, const Curve& curve) const {
  if (options_.compared == 0 || curve.empty() || curve.back().epoch < options_.min_epochs) return std::nullopt;
  if (trainings_.size() < static_cast<std::size_t>(options_.compared)) return std::nullopt;
  const int epoch = curve.back().epoch;
  const double best = RunningBest(curve).back().reward;
  std::vector<double> others;
  // The rewards of the compared trainings at this epoch and at the end.
  std::vector<std::pair<double, double>> finished;
  for (const Training* other : Nearest(cost)) {
    const std::optional<double> at_epoch = BestAt(other->best, epoch);
    if (!at_epoch) continue;
    others.push_back(*at_epoch);
    if (other->reward) finished.emplace_back(*at_epoch, *other->reward);
  }
  if (others.empty() || finished.empty() || best >= Median(others)) return std::nullopt;
  double middle = 0;
  for (const auto& [at_epoch, reward] : finished) middle += reward / static_cast<double>(finished.size());
  // Whatever the line says, an estimate must not displace a real result that is as good: it stays
  // below the average of the finished trainings, and below each of them that was ahead and stayed so.
  double limit = middle;
  for (const auto& [at_epoch, reward] : finished) {
    if (at_epoch >= best && reward >= best) limit = std::min(limit, reward);
  }
  return std::min(Extrapolate(finished, best), std::nextafter(limit, std::numeric_limits<double>::lowest()));
}

std::vector<const MedianRule::Training*> MedianRule::Nearest(double cost) const {
  std::vector<const Training*> nearest;
  auto above = trainings_.lower_bound({cost, 0});
  auto below = above;
  while (nearest.size() < static_cast<std::size_t>(options_.compared)) {
    const double infinity = std::numeric_limits<double>::infinity();
    const double up = above == trainings_.end() ? infinity : above->first.first - cost;
    const double down = below == trainings_.begin() ? infinity : cost - std::prev(below)->first.first;
    if (up == infinity && down == infinity) break;
    if (down <= up) {
      nearest.push_back(&(--below)->second);
    } else {
      nearest.push_back(&(above++)->second);
    }
  }
  return nearest;
}

}  // namespace layernas::core
