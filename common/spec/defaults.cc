#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/spec/checks.h"
#include "common/spec/costs.h"
#include "common/spec/resolve.h"
#include "common/spec/validate.h"

namespace layernas::spec {
namespace {

constexpr int kDefaultBuckets = 20;
constexpr int kDefaultInitialFailures = 10;
constexpr int kDefaultAttempts = 3;
constexpr std::int64_t kDefaultTimeoutSeconds = 3600;
constexpr int kDefaultCompared = 10;
constexpr int kDefaultFinalistTrainings = 3;
// Default repeats of finalists: a percentage of the trainings, or a number per target.
constexpr std::int64_t kDefaultRepeatPercent = 8;
constexpr int kDefaultRepeatsPerTarget = 10;

void SetBucketDefaults(v1::Buckets& buckets, const std::optional<CostBounds>& bounds) {
  if (!buckets.edges().empty()) return;
  if (buckets.count() == 0) buckets.set_count(kDefaultBuckets);
  if (buckets.scale() == v1::BUCKET_SCALE_UNSPECIFIED) buckets.set_scale(v1::BUCKET_SCALE_LINEAR);
  if (buckets.scale() == v1::BUCKET_SCALE_AUTO) return;
  if (!buckets.has_min()) buckets.set_min(bounds.has_value() ? bounds->cheapest : 0);
  // The upper end for a measured cost is known only after the default architecture has been
  // measured.
  if (!buckets.has_max() && bounds.has_value()) buckets.set_max(bounds->dearest);
}

void SetStrategyDefaults(v1::Strategy& strategy, const std::optional<CostBounds>& bounds) {
  if (!strategy.has_seed()) strategy.set_seed(1);
  if (strategy.has_regularized_evolution()) {
    v1::RegularizedEvolution& evolution = *strategy.mutable_regularized_evolution();
    if (evolution.population() == 0) evolution.set_population(20);
    if (evolution.sample() == 0) evolution.set_sample(5);
  }
  if (!strategy.has_layernas()) return;
  v1::LayerNas& layernas = *strategy.mutable_layernas();
  SetBucketDefaults(*layernas.mutable_buckets(), bounds);
  if (layernas.replicas() == 0) layernas.set_replicas(1);
  if (layernas.passes() == 0) layernas.set_passes(1);
  v1::LayerOrder& order = *layernas.mutable_order();
  if (order.layers().empty() && order.direction() == v1::LayerOrder::DIRECTION_UNSPECIFIED) {
    order.set_direction(v1::LayerOrder::DIRECTION_FORWARD);
  }
}

// Returns a quarter of a number that may be the largest of its type, rounded up.
int CeilQuarter(int number) { return number / 4 + (number % 4 > 0 ? 1 : 0); }

// Ignores the budget and the size of the space. A double, because the product can exceed any
// integer.
double MaxTrainings(const v1::LayerNas& layernas, const v1::Space& space) {
  const int buckets =
      layernas.buckets().edges().empty() ? layernas.buckets().count() : layernas.buckets().edges_size() + 1;
  const double kept = static_cast<double>(buckets) * layernas.replicas();
  double per_pass = 0;
  for (const v1::Layer& layer : space.layers()) {
    const double stage = kept * layer.options_size();
    per_pass += layernas.stage_limit() > 0 ? std::min<double>(stage, layernas.stage_limit()) : stage;
  }
  // The default architecture is trained first.
  return 1 + layernas.passes() * per_pass;
}

void SetFinalDefaults(const v1::Evaluation& evaluation, v1::Final& final) {
  if (final.per_target() == 0) final.set_per_target(1);
  if (final.seeds() == 0) final.set_seeds(1);
  if (!final.has_epochs() && evaluation.train().has_epochs()) final.set_epochs(evaluation.train().epochs());
  if (final.has_timeout()) return;
  std::int64_t seconds = evaluation.timeout().seconds() + (evaluation.timeout().nanos() > 0 ? 1 : 0);
  if (evaluation.train().epochs() > 0 && final.epochs() > evaluation.train().epochs()) {
    seconds = seconds * final.epochs() / evaluation.train().epochs();
  }
  final.mutable_timeout()->set_seconds(std::min(seconds, kMaxDurationSeconds));
}

}  // namespace

v1::Finalists WithFinalistDefaults(const v1::SearchSpec& spec) {
  v1::Finalists finalists = spec.finalists();
  if (finalists.trainings() == 0) finalists.set_trainings(kDefaultFinalistTrainings);
  if (finalists.has_repeats()) return finalists;
  const std::int64_t repeats = spec.budget().has_trainings()
                                   ? kDefaultRepeatPercent * spec.budget().trainings() / 100
                                   : kDefaultRepeatsPerTarget * std::max(1, spec.objective().targets_size());
  finalists.set_repeats(static_cast<std::int32_t>(std::max<std::int64_t>(repeats, finalists.trainings() - 1)));
  return finalists;
}

v1::SearchSpec WithDefaults(v1::SearchSpec spec) {
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    if (layer.default_().empty() && !layer.options().empty()) {
      layer.set_default_(layer.options(layer.options_size() - 1).name());
    }
  }
  // If this fails, ValidateSpec reports the reason.
  if (spec.objective().counted()) CountCosts(spec).IgnoreError();
  if (spec.objective().reward().empty()) spec.mutable_objective()->set_reward("accuracy");
  SetStrategyDefaults(*spec.mutable_strategy(), BoundCosts(spec));
  if (!spec.budget().has_initial_failures()) spec.mutable_budget()->set_initial_failures(kDefaultInitialFailures);
  if (spec.has_finalists()) *spec.mutable_finalists() = WithFinalistDefaults(spec);
  v1::Evaluation& evaluation = *spec.mutable_evaluation();
  if (!evaluation.has_timeout()) evaluation.mutable_timeout()->set_seconds(kDefaultTimeoutSeconds);
  if (!evaluation.has_attempts()) evaluation.set_attempts(kDefaultAttempts);
  if (spec.has_final()) SetFinalDefaults(evaluation, *spec.mutable_final());
  if (evaluation.has_early_stop()) {
    v1::EarlyStop& early_stop = *evaluation.mutable_early_stop();
    if (early_stop.compared() == 0) early_stop.set_compared(kDefaultCompared);
    if (!early_stop.has_min_epochs()) early_stop.set_min_epochs(std::max(1, CeilQuarter(evaluation.train().epochs())));
  }
  v1::Sharing& sharing = *spec.mutable_sharing();
  if (!sharing.has_weight()) sharing.set_weight(1);
  if (!sharing.has_priority()) sharing.set_priority(0);
  if (!sharing.has_max_running()) sharing.set_max_running(0);
  return spec;
}

v1::SpecSummary Summarize(const v1::SearchSpec& spec) {
  const v1::SearchSpec full = WithDefaults(spec);
  v1::SpecSummary summary;
  summary.set_layers(full.space().layers_size());
  summary.set_space_size(SpaceSize(full.space()));

  double max_trainings = summary.space_size();
  if (full.strategy().has_layernas())
    max_trainings = std::min(max_trainings, MaxTrainings(full.strategy().layernas(), full.space()));
  if (full.has_finalists()) max_trainings += full.finalists().repeats();
  if (full.budget().has_trainings()) max_trainings = std::min<double>(max_trainings, full.budget().trainings());
  // Beyond 2^53 the limit is irrelevant; 0 means unlimited.
  constexpr double kExact = 9007199254740992;
  summary.set_most_trainings(max_trainings < kExact ? static_cast<std::int64_t>(max_trainings) : 0);

  if (const std::optional<CostBounds> bounds = BoundCosts(full)) {
    summary.set_cheapest(bounds->cheapest);
    summary.set_dearest(bounds->dearest);
  }
  return summary;
}

}  // namespace layernas::spec
