#include "common/spec/costs.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "common/base/status_macros.h"
#include "common/spec/counts.h"
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

absl::Status CountCosts(v1::SearchSpec& spec) {
  const std::string& metric = spec.objective().cost();
  if (!IsCounted(metric)) {
    return absl::InvalidArgumentError("counts only params and multiply_adds, not \"" + metric + "\"");
  }
  if (spec.space().base_costs().contains(metric)) {
    return absl::InvalidArgumentError("cannot be combined with " + metric + " in space.base_costs: remove one of them");
  }
  if (spec.space().layers().empty()) return absl::InvalidArgumentError("needs layers");
  for (const v1::Layer& layer : spec.space().layers()) {
    if (layer.options().empty()) return absl::InvalidArgumentError("needs layers that have options");
    for (const v1::Option& option : layer.options()) {
      if (option.costs().contains(metric)) {
        return absl::InvalidArgumentError("cannot be combined with " + metric +
                                          " in the options' costs: remove one of them");
      }
    }
  }
  LAYERNAS_ASSIGN_OR_RETURN(const auto counted, CountPerLayer(spec.space(), metric));
  v1::Space& space = *spec.mutable_space();
  for (int i = 0; i < space.layers_size(); ++i) {
    v1::Layer& layer = *space.mutable_layers(i);
    for (int j = 0; j < layer.options_size(); ++j) {
      (*layer.mutable_options(j)->mutable_costs())[metric] =
          counted.costs[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    }
  }
  (*space.mutable_base_costs())[metric] = counted.base;
  spec.mutable_objective()->clear_counted();
  return absl::OkStatus();
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
