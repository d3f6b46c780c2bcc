#include "controller/core/strategies/within_limit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/cost_limit.h"
#include "common/base/number.h"

namespace layernas::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Maximum relative difference between sums of the same costs in different orders; far below the
// tolerance of a limit.
constexpr double kRounding = 1e-12;

}  // namespace

double HighestTarget(std::span<const double> targets) {
  return targets.empty() ? kInfinity : *std::max_element(targets.begin(), targets.end());
}

WithinLimit::Table::Table(const Space& space) {
  const std::size_t layers = space.layers.size();
  cheapest_from.assign(layers + 1, 0);
  cheapest_option_from.resize(layers);
  for (const Layer& layer : space.layers) {
    costs.push_back(space.CostIsPerLayer() ? layer.costs : std::vector<double>(layer.option_count, 0.0));
  }
  dearest = space.base_cost;
  for (std::size_t l = layers; l-- > 0;) {
    const std::vector<double>& here = costs[l];
    std::vector<double>& from = cheapest_option_from[l];
    from = here;
    for (std::size_t o = here.size() - 1; o > 0; --o) from[o - 1] = std::min(from[o - 1], from[o]);
    cheapest_from[l] = cheapest_from[l + 1] + from.front();
    dearest += *std::max_element(here.begin(), here.end());
  }
}

WithinLimit::WithinLimit(const Space& space, std::shared_ptr<const Table> table, double limit)
    : space_(space), limit_(space.CostIsPerLayer() ? limit : kInfinity), table_(std::move(table)) {
  bound_ = WidenedLimit(limit_);
  loose_bound_ = bound_ + kRounding * std::abs(bound_);
  everything_ = table_->dearest <= bound_;
}

WithinLimit::WithinLimit(const Space& space, double limit)
    : WithinLimit(space, std::make_shared<const Table>(space), limit) {}

WithinLimit::WithinLimit(const WithinLimit& other, double limit) : WithinLimit(other.space_, other.table_, limit) {}

bool WithinLimit::Contains(const Architecture& architecture) const {
  return everything_ || space_.Cost(architecture) <= bound_;
}

bool WithinLimit::Seek(Architecture& architecture, std::vector<double>& sums, std::size_t layer,
                       std::size_t option) const {
  const std::size_t layers = costs().size();
  while (true) {
    const std::vector<double>& of_layer = costs()[layer];
    const auto can_go_on = [&](double cost) { return CanGoOn(sums[layer] + cost, layer); };
    if (option < of_layer.size() && can_go_on(table_->cheapest_option_from[layer][option])) {
      while (!can_go_on(of_layer[option])) ++option;
      architecture[layer] = static_cast<OptionIndex>(option);
      sums[layer + 1] = sums[layer] + of_layer[option];
      if (++layer == layers) return true;
      option = 0;
      continue;
    }
    if (layer == 0) return false;
    --layer;
    option = std::size_t{architecture[layer]} + 1;
  }
}

std::optional<Architecture> WithinLimit::First() const {
  Architecture architecture(costs().size(), 0);
  std::vector<double> sums(costs().size() + 1, space_.base_cost);
  if (!Seek(architecture, sums, 0, 0)) return std::nullopt;
  return architecture;
}

std::optional<Architecture> WithinLimit::Next(Architecture architecture) const {
  std::vector<double> sums(costs().size() + 1, space_.base_cost);
  std::size_t layer = 0;
  // Go only as far as the architecture is wanted.
  for (; layer + 1 < costs().size(); ++layer) {
    sums[layer + 1] = sums[layer] + costs()[layer][architecture[layer]];
    if (!CanGoOn(sums[layer + 1], layer)) break;
  }
  if (!Seek(architecture, sums, layer, std::size_t{architecture[layer]} + 1)) return std::nullopt;
  return architecture;
}

std::optional<std::size_t> WithinLimit::CountUpTo(std::size_t most) const {
  if (everything_) {
    if (space_.Size() > static_cast<double>(most)) return std::nullopt;
    return static_cast<std::size_t>(space_.Size());
  }
  std::size_t count = 0;
  ForEach([&count, most](const Architecture&) { return ++count <= most; });
  if (count > most) return std::nullopt;
  return count;
}

std::size_t CountLeft(const Space& space, std::optional<std::size_t> size, std::size_t tried) {
  constexpr double kMany = 1e15;
  const std::size_t most = size.value_or(static_cast<std::size_t>(std::min(space.Size(), kMany)));
  return most > tried ? most - tried : 1;
}

std::string WhyNothingIsLeft(const Space& space, std::span<const double> targets, std::size_t tried) {
  const double highest = HighestTarget(targets);
  const bool limited = space.CostIsPerLayer() && !MeetsLimit(space.DearestCost(), highest);
  const std::string within =
      limited ? absl::StrCat(" within the ", targets.size() > 1 ? "highest " : "", "target ", FormatNumber(highest))
              : "";
  if (limited && tried == 0) {
    return absl::StrCat("no architecture is within a target: the lowest cost is ", FormatNumber(space.CheapestCost()),
                        ", the highest target ", FormatNumber(highest));
  }
  if (tried == 1) return absl::StrCat("the only architecture", within, " was tried");
  return absl::StrCat("all ", tried, " architectures", within, " were tried");
}

}  // namespace layernas::core
