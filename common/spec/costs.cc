#include "common/spec/costs.h"

#include <algorithm>
#include <limits>
#include <string>

#include "common/spec/validate.h"

namespace layernas::spec {

bool CostIsPerLayer(const v1::SearchSpec& spec) {
  const std::string& cost = spec.objective().cost();
  if (cost.empty() || spec.space().layers().empty()) return false;
  return std::all_of(spec.space().layers().begin(), spec.space().layers().end(), [&cost](const v1::Layer& layer) {
    return !layer.options().empty() &&
           std::all_of(layer.options().begin(), layer.options().end(),
                       [&cost](const v1::Option& option) { return option.costs().contains(cost); });
  });
}

std::optional<CostBounds> BoundCosts(const v1::SearchSpec& spec) {
  if (!CostIsPerLayer(spec)) return std::nullopt;
  const std::string& cost = spec.objective().cost();
  CostBounds bounds;
  const auto base = spec.space().base_costs().find(cost);
  if (base != spec.space().base_costs().end()) bounds = {base->second, base->second};
  for (const v1::Layer& layer : spec.space().layers()) {
    double cheapest = std::numeric_limits<double>::infinity();
    double dearest = -cheapest;
    for (const v1::Option& option : layer.options()) {
      const double value = option.costs().at(cost);
      cheapest = std::min(cheapest, value);
      dearest = std::max(dearest, value);
    }
    bounds.cheapest += cheapest;
    bounds.dearest += dearest;
  }
  return bounds;
}

}  // namespace layernas::spec
