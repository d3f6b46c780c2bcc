#include <cmath>
#include <set>
#include <string>

#include "common/base/number.h"
#include "common/spec/checks.h"
#include "common/spec/resolve.h"

namespace layernas::spec {
namespace {

constexpr int kMaxBuckets = 10000;
constexpr int kMaxReplicas = 100;
constexpr int kMaxPasses = 100;
constexpr int kMaxPopulation = 10000;
constexpr int kDefaultExhaustive = 10000;
constexpr int kMaxExhaustive = 1000000;

void CheckEdges(const std::string& path, const v1::Buckets& buckets, Violations& violations) {
  if (buckets.count() != 0 || buckets.scale() != v1::BUCKET_SCALE_UNSPECIFIED || buckets.has_min() ||
      buckets.has_max()) {
    violations.Add(path + ".edges", "cannot be combined with count, scale, min or max: remove the edges or the others");
  }
  if (buckets.edges_size() >= kMaxBuckets) {
    violations.Add(path + ".edges", "must have at most " + std::to_string(kMaxBuckets - 1) + " edges, has " +
                                        std::to_string(buckets.edges_size()));
    return;
  }
  for (int i = 0; i < buckets.edges_size(); ++i) {
    const double edge = buckets.edges(i);
    const std::string field = At(path + ".edges", i);
    if (!std::isfinite(edge)) {
      violations.Add(field, "must be a finite number, is " + FormatNumber(edge));
    } else if (i > 0 && !(edge > buckets.edges(i - 1))) {
      violations.Add(field, "must be above the edge before it, which is " + FormatNumber(buckets.edges(i - 1)) +
                                ": sort the edges in ascending order");
    }
  }
}

void CheckBounds(const std::string& path, const v1::Buckets& buckets, const std::optional<CostBounds>& bounds,
                 Violations& violations) {
  bool finite = true;
  const auto check_finite = [&](const char* name, bool given, double value) {
    if (!given || std::isfinite(value)) return;
    violations.Add(path + name, "must be a finite number, is " + FormatNumber(value));
    finite = false;
  };
  check_finite(".min", buckets.has_min(), buckets.min());
  check_finite(".max", buckets.has_max(), buckets.max());
  if (!finite) return;

  const double min = buckets.has_min() ? buckets.min() : bounds.has_value() ? bounds->cheapest : 0;
  if (buckets.scale() == v1::BUCKET_SCALE_LOGARITHMIC && min <= 0) {
    violations.Add(path + ".min", buckets.has_min() || bounds.has_value()
                                      ? "must be above 0 for a logarithmic scale, is " + FormatNumber(min)
                                      : "is missing: a logarithmic scale of a measured cost needs the lowest relevant "
                                        "cost, above 0");
    return;
  }
  if (!buckets.has_max() && !bounds.has_value()) return;
  const double max = buckets.has_max() ? buckets.max() : bounds->dearest;
  // A space whose architectures all have the same cost is valid.
  const bool all_alike = bounds.has_value() && min == bounds->cheapest && max == bounds->dearest;
  if (min < max || all_alike) return;
  if (buckets.has_min()) {
    violations.Add(path + ".min", "must be below max, which is " + FormatNumber(max) +
                                      (buckets.has_max() ? "" : " (the most expensive architecture)") + "; is " +
                                      FormatNumber(min));
  } else {
    violations.Add(path + ".max", "must be above min, which is " + FormatNumber(min) +
                                      (bounds.has_value() ? " (the cheapest architecture)" : "") + "; is " +
                                      FormatNumber(max));
  }
}

void CheckBuckets(const std::string& path, const v1::Buckets& buckets, const std::optional<CostBounds>& bounds,
                  Violations& violations) {
  if (!buckets.edges().empty()) {
    CheckEdges(path, buckets, violations);
    return;
  }
  // 0 means unset, so the default applies.
  if (buckets.count() != 0) violations.CheckRange(path + ".count", buckets.count(), 1, kMaxBuckets);
  if (!v1::BucketScale_IsValid(buckets.scale())) {
    violations.Add(path + ".scale", "must be linear, logarithmic or auto");
  }
  if (buckets.scale() == v1::BUCKET_SCALE_AUTO) {
    if (!bounds.has_value()) {
      violations.Add(path + ".scale",
                     "auto needs the cost of each option: give every option its cost, or choose linear");
    }
    if (buckets.has_min() || buckets.has_max()) {
      violations.Add(path + ".scale", "auto determines the range: remove min and max");
    }
    return;
  }
  CheckBounds(path, buckets, bounds, violations);
}

void CheckOrder(const std::string& path, const v1::LayerOrder& order, const v1::Space& space, Violations& violations) {
  if (!v1::LayerOrder::Direction_IsValid(order.direction())) {
    violations.Add(path + ".direction", "must be forward or reverse");
  }
  if (order.layers().empty()) return;
  if (order.direction() != v1::LayerOrder::DIRECTION_UNSPECIFIED) {
    violations.Add(path + ".direction", "cannot be combined with a list of layers: remove one of them");
  }
  std::set<std::string> missing;
  for (const v1::Layer& layer : space.layers()) missing.insert(layer.name());
  const std::set<std::string> known = missing;
  for (int i = 0; i < order.layers_size(); ++i) {
    const std::string& name = order.layers(i);
    if (missing.erase(name) > 0) continue;
    violations.Add(At(path + ".layers", i), known.contains(name) ? "lists layer \"" + name + "\" twice"
                                                                 : "\"" + name + "\" is not a layer of the space");
  }
  if (missing.empty()) return;
  std::string message = "must list every layer of the space; missing";
  for (const std::string& name : missing) message += (name == *missing.begin() ? " \"" : ", \"") + name + "\"";
  violations.Add(path + ".layers", message);
}

void CheckExhaustive(const v1::SearchSpec& spec, Violations& violations) {
  const int given = spec.strategy().exhaustive().max_size();
  if (given != 0) violations.CheckRange("strategy.exhaustive.max_size", given, 1, kMaxExhaustive);
  const double max_size = given != 0 ? given : kDefaultExhaustive;
  const double size = SpaceSize(spec.space());
  if (size > max_size) {
    violations.Add("strategy.exhaustive", "the space has " + FormatNumber(size) +
                                              " architectures, more than max_size (" + FormatNumber(max_size) +
                                              "): choose another strategy or raise max_size");
  }
}

}  // namespace

void CheckStrategy(const v1::SearchSpec& spec, const std::optional<CostBounds>& bounds, Violations& violations) {
  const v1::Strategy& strategy = spec.strategy();
  if (strategy.kind_case() == v1::Strategy::KIND_NOT_SET) {
    violations.Add("strategy", "is missing: choose one, for example {layernas: {buckets: 20}} or {random: {}}");
    return;
  }
  if (strategy.has_regularized_evolution()) {
    const v1::RegularizedEvolution& evolution = strategy.regularized_evolution();
    const std::string evolution_path = "strategy.regularized_evolution";
    if (evolution.population() != 0) {
      violations.CheckRange(evolution_path + ".population", evolution.population(), 2, kMaxPopulation);
    }
    if (evolution.sample() != 0)
      violations.CheckRange(evolution_path + ".sample", evolution.sample(), 1, kMaxPopulation);
  }
  if (strategy.has_exhaustive()) CheckExhaustive(spec, violations);
  if (!strategy.has_layernas()) return;
  const std::string path = "strategy.layernas";
  const v1::LayerNas& layernas = strategy.layernas();
  CheckBuckets(path + ".buckets", layernas.buckets(), bounds, violations);
  if (layernas.replicas() != 0) violations.CheckRange(path + ".replicas", layernas.replicas(), 1, kMaxReplicas);
  CheckOrder(path + ".order", layernas.order(), spec.space(), violations);
  if (layernas.passes() != 0) violations.CheckRange(path + ".passes", layernas.passes(), 1, kMaxPasses);
  violations.CheckAtLeast(path + ".stage_limit", layernas.stage_limit(), 0);
}

}  // namespace layernas::spec
