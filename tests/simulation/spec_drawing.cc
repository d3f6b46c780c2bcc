#include "tests/simulation/spec_drawing.h"

#include <algorithm>

#include "common/spec/validate.h"
#include "tests/simulation/truth.h"

namespace layernas::simulation {
namespace {

void DrawSpace(Draw& draw, bool costs_known, v1::SearchSpec& spec) {
  const bool is_huge = draw.Chance(0.1);
  const int layers = is_huge ? draw.Between(6, 12) : draw.Between(1, 4);
  double size = 1;
  for (int i = 0; i < layers; ++i) {
    v1::Layer& layer = *spec.mutable_space()->add_layers();
    layer.set_name("l" + std::to_string(i));
    int options = is_huge ? draw.Between(3, 9) : draw.Between(1, 5);
    if (!is_huge) options = std::max(1, std::min(options, static_cast<int>(300 / size)));
    size *= options;
    for (int j = 0; j < options; ++j) {
      v1::Option& option = *layer.add_options();
      option.set_name("o" + std::to_string(j));
      // Tenths, because their sums are not exact.
      if (costs_known) (*option.mutable_costs())[kCost] = 0.1 * draw.Between(1, 12);
    }
  }
  if (costs_known && draw.Chance(0.3)) (*spec.mutable_space()->mutable_base_costs())[kCost] = 0.1 * draw.Between(1, 5);
}

void DrawTargets(Draw& draw, bool costs_known, v1::SearchSpec& spec) {
  if (draw.Chance(0.3)) return;
  double cheapest = 1;
  double dearest = 10;
  if (costs_known) {
    const v1::SpecSummary summary = spec::Summarize(spec);
    cheapest = summary.cheapest();
    dearest = summary.dearest();
  }
  const int count = draw.Between(1, 3);
  for (int i = 0; i < count; ++i) {
    // Loose, tight or in between. Measured costs may meet no target.
    const double share = draw.Chance(0.2) ? 1.2 : draw.Chance(0.3) ? 0 : draw.Uniform();
    double target = cheapest + share * (dearest - cheapest);
    if (!costs_known && draw.Chance(0.15)) target = 0.01;
    // In tenths, as users write them.
    if (costs_known) target = std::max(0.1, 0.1 * static_cast<int>(target * 10 + 0.5));
    spec.mutable_objective()->add_targets(target);
  }
}

void DrawStrategy(Draw& draw, v1::SearchSpec& spec) {
  v1::Strategy& strategy = *spec.mutable_strategy();
  strategy.set_seed(draw.Between(1, 1000));
  switch (draw.Between(0, 5)) {
    case 0: {
      v1::LayerNas& layernas = *strategy.mutable_layernas();
      layernas.mutable_buckets()->set_count(draw.Between(1, 6));
      if (draw.Chance(0.4)) layernas.set_replicas(draw.Between(1, 3));
      if (draw.Chance(0.4)) layernas.set_passes(draw.Between(1, 3));
      if (draw.Chance(0.3)) layernas.set_stage_limit(draw.Between(1, 6));
      if (draw.Chance(0.3)) layernas.mutable_order()->set_direction(v1::LayerOrder::DIRECTION_REVERSE);
      return;
    }
    case 1:
    case 2:
      strategy.mutable_guided_layernas();
      return;
    case 3:
      strategy.mutable_random();
      return;
    case 4:
      strategy.mutable_regularized_evolution()->set_population(draw.Between(2, 6));
      strategy.mutable_regularized_evolution()->set_sample(draw.Between(1, 2));
      return;
    default:
      strategy.mutable_exhaustive();
  }
}

void DrawBudget(Draw& draw, v1::SearchSpec& spec) {
  const bool ends_by_itself = spec.strategy().has_layernas() || spec.strategy().has_exhaustive();
  const double size = spec::Summarize(spec).space_size();
  if (!ends_by_itself || size > 40 || draw.Chance(0.6)) {
    // Some budgets are larger than the space.
    const int trainings = draw.Chance(0.3) ? draw.Between(1, 3) : draw.Between(3, 25);
    spec.mutable_budget()->set_trainings(trainings);
  }
  if (draw.Chance(0.2)) spec.mutable_budget()->mutable_duration()->set_seconds(draw.Between(10, 120));
  if (draw.Chance(0.3)) spec.mutable_budget()->set_initial_failures(draw.Between(1, 6));
  if (draw.Chance(0.3)) {
    spec.mutable_finalists()->set_trainings(draw.Between(2, 3));
    spec.mutable_finalists()->set_repeats(draw.Between(1, 5));
  }
  if (draw.Chance(0.3)) {
    spec.mutable_final()->set_per_target(draw.Between(1, 2));
    spec.mutable_final()->set_seeds(draw.Between(1, 2));
  }
}

void DrawEvaluation(Draw& draw, bool costs_known, v1::SearchSpec& spec) {
  v1::Evaluation& evaluation = *spec.mutable_evaluation();
  evaluation.mutable_train()->set_epochs(4);
  evaluation.mutable_timeout()->set_seconds(draw.Between(10, 30));
  if (draw.Chance(0.4)) evaluation.set_attempts(draw.Between(1, 4));
  if (draw.Chance(0.4)) {
    (*evaluation.mutable_require())["zone"] = draw.Chance(0.15) ? "late" : draw.Chance(0.5) ? "a" : "b";
  }
  if (!costs_known && draw.Chance(0.4)) {
    (*evaluation.mutable_measure_on())["zone"] = draw.Chance(0.5) ? "a" : "b";
  }
  if (!costs_known && draw.Chance(0.3)) evaluation.set_measure_first(true);
  if (draw.Chance(0.25)) evaluation.mutable_early_stop()->set_compared(draw.Between(2, 3));
  evaluation.set_reuse_results(draw.Chance(0.2));
  if (draw.Chance(0.3)) spec.mutable_sharing()->set_max_running(draw.Between(1, 3));
  if (draw.Chance(0.3)) spec.mutable_sharing()->set_priority(draw.Between(-1, 1));
  if (draw.Chance(0.3)) spec.mutable_sharing()->set_weight(draw.Between(1, 3));
}

}  // namespace

v1::SearchSpec DrawSpec(Draw& draw, int evaluators) {
  while (true) {
    v1::SearchSpec spec;
    spec.set_name("s");
    spec.mutable_objective()->set_cost(kCost);
    spec.mutable_space()->mutable_network()->set_classes(draw.Between(1, evaluators));
    const bool costs_known = draw.Chance(0.6);
    DrawSpace(draw, costs_known, spec);
    DrawTargets(draw, costs_known, spec);
    DrawStrategy(draw, spec);
    DrawBudget(draw, spec);
    DrawEvaluation(draw, costs_known, spec);
    if (spec::ValidateSpec(spec::WithDefaults(spec)).empty()) return spec;
  }
}

v1::SearchSpec ProbeSpec(const std::string& worker) {
  v1::SearchSpec spec;
  spec.set_name("probe");
  spec.mutable_objective()->set_cost(kCost);
  spec.mutable_space()->mutable_network()->set_classes(1);
  v1::Layer& layer = *spec.mutable_space()->add_layers();
  layer.set_name("l");
  layer.add_options()->set_name("o");
  spec.mutable_strategy()->mutable_exhaustive();
  (*spec.mutable_evaluation()->mutable_require())["worker"] = worker;
  // Has priority over all other searches.
  spec.mutable_sharing()->set_priority(1000);
  return spec;
}

}  // namespace layernas::simulation
