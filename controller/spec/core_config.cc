#include "controller/spec/core_config.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/security/sha256.h"
#include "common/spec/counts.h"
#include "common/spec/network_identity.h"
#include "common/spec/validate.h"
#include "controller/spec/evaluation_key.h"

namespace layernas {
namespace {

core::Space ToCoreSpace(const v1::SearchSpec& spec) {
  const std::string& cost = spec.objective().cost();
  const bool cost_is_per_layer = spec::CostIsPerLayer(spec);
  core::Space space;
  if (const auto base = spec.space().base_costs().find(cost); base != spec.space().base_costs().end()) {
    space.base_cost = base->second;
  }
  for (const v1::Layer& layer : spec.space().layers()) {
    core::Layer& converted = space.layers.emplace_back();
    converted.name = layer.name();
    converted.option_count = static_cast<core::OptionIndex>(layer.options_size());
    for (int i = 0; i < layer.options_size(); ++i) {
      converted.option_names.push_back(layer.options(i).name());
      if (layer.options(i).name() == layer.default_()) converted.default_option = static_cast<core::OptionIndex>(i);
      if (cost_is_per_layer) converted.costs.push_back(layer.options(i).costs().at(cost));
    }
  }
  return space;
}

core::LayerNasOptions ToCoreOptions(const v1::LayerNas& layernas, const v1::Space& space) {
  core::LayerNasOptions options;
  const v1::Buckets& buckets = layernas.buckets();
  options.buckets.count = buckets.count();
  options.buckets.scale = buckets.scale() == v1::BUCKET_SCALE_LOGARITHMIC ? core::BucketScale::kLogarithmic
                          : buckets.scale() == v1::BUCKET_SCALE_AUTO      ? core::BucketScale::kAuto
                                                                          : core::BucketScale::kLinear;
  if (buckets.has_min()) options.buckets.min = buckets.min();
  if (buckets.has_max()) options.buckets.max = buckets.max();
  options.buckets.edges.assign(buckets.edges().begin(), buckets.edges().end());
  options.replicas = layernas.replicas();
  options.passes = layernas.passes();
  options.stage_limit = layernas.stage_limit();
  options.order.resize(space.layers_size());
  std::iota(options.order.begin(), options.order.end(), 0);
  if (layernas.order().layers_size() > 0) {
    std::transform(layernas.order().layers().begin(), layernas.order().layers().end(), options.order.begin(),
                   [&space](const std::string& name) {
                     return std::find_if(space.layers().begin(), space.layers().end(),
                                         [&name](const v1::Layer& layer) { return layer.name() == name; }) -
                            space.layers().begin();
                   });
  } else if (layernas.order().direction() == v1::LayerOrder::DIRECTION_REVERSE) {
    std::reverse(options.order.begin(), options.order.end());
  }
  return options;
}

core::StrategyConfig ToCoreStrategy(const v1::Strategy& strategy, const v1::Space& space) {
  switch (strategy.kind_case()) {
    case v1::Strategy::kLayernas:
      return ToCoreOptions(strategy.layernas(), space);
    case v1::Strategy::kGuidedLayernas:
      return core::GuidedOptions{};
    case v1::Strategy::kRegularizedEvolution:
      return core::EvolutionOptions{strategy.regularized_evolution().population(),
                                    strategy.regularized_evolution().sample()};
    case v1::Strategy::kExhaustive:
      return core::ExhaustiveOptions{};
    case v1::Strategy::kRandom:
    case v1::Strategy::KIND_NOT_SET:
      break;
  }
  return core::RandomOptions{};
}

// Sets what makes architectures twins, and what a twin does not take over.
void SetTwins(const v1::SearchSpec& spec, const spec::NetworkIdentity& identity, core::SearchConfig& config) {
  config.count_metrics = [counter = std::make_shared<const spec::ArchitectureCounter>(spec.space())](
                             const core::Architecture& architecture) {
    const auto counts = counter->Count(architecture);
    core::Metrics metrics;
    for (const char* name : {"multiply_adds", "params"}) {
      if (counts.ok()) metrics.Set(name, spec::CountOf(*counts, name));
    }
    return metrics;
  };
  // A counted cost includes operations without effect. Unless each candidate has its own cost per
  // layer, networks of different cost are told apart.
  std::string cost = spec.objective().cost();
  if (!spec::IsCounted(cost) || spec::CostIsPerLayer(spec)) cost.clear();
  config.network_identity = [identity, cost, count = config.count_metrics](const core::Architecture& architecture) {
    std::string form = identity(architecture);
    if (form.empty()) return form;
    if (!cost.empty())
      absl::StrAppend(&form, "cost ", static_cast<std::int64_t>(count(architecture).Find(cost).value_or(0)));
    // A search may have a million candidates, so only a digest of the text is kept for each.
    const security::Digest digest = security::Sha256(form);
    return std::string(digest.begin(), digest.end());
  };
}

}  // namespace

core::SearchConfig ToCoreConfig(const v1::SearchSpec& spec) {
  core::SearchConfig config;
  config.space = ToCoreSpace(spec);
  config.reward_metric = spec.objective().reward();
  config.cost_metric = spec.objective().cost();
  config.targets.assign(spec.objective().targets().begin(), spec.objective().targets().end());
  config.strategy = ToCoreStrategy(spec.strategy(), spec.space());
  config.seed = spec.strategy().seed();
  config.trainings = spec.budget().trainings();
  // Rounded up, because 0 means no limit.
  const google::protobuf::Duration& duration = spec.budget().duration();
  config.duration = Millis{duration.seconds() * 1000 + (duration.nanos() + 999'999) / 1'000'000};
  if (spec.has_finalists()) config.finalists = {spec.finalists().trainings(), spec.finalists().repeats()};
  if (spec.has_final()) config.finals = {spec.final().per_target(), spec.final().seeds()};
  config.initial_failures = spec.budget().initial_failures();
  config.attempts = spec.evaluation().attempts();
  config.require.insert(spec.evaluation().require().begin(), spec.evaluation().require().end());
  const auto& measure_on = spec.evaluation().measure_on();
  if (!measure_on.empty()) config.measure_on.emplace(measure_on.begin(), measure_on.end());
  config.measure_first = spec.evaluation().measure_first();
  if (config.measure_first && !config.measure_on) config.measure_on = config.require;
  if (const v1::Evaluation& evaluation = spec.evaluation(); evaluation.has_early_stop()) {
    config.early_stop = {evaluation.early_stop().compared(), evaluation.early_stop().min_epochs()};
  }
  config.sharing = {spec.sharing().weight(), spec.sharing().priority(), spec.sharing().max_running()};
  if (const spec::NetworkIdentity identity = spec::MakeNetworkIdentity(spec.space())) SetTwins(spec, identity, config);
  config.evaluation_key = EvaluationKey(spec);
  config.reuse_results = spec.evaluation().reuse_results();
  return config;
}

absl::StatusOr<core::SearchConfig> ToCoreConfig(std::string_view serialized_spec) {
  v1::SearchSpec spec;
  if (!spec.ParseFromArray(serialized_spec.data(), static_cast<int>(serialized_spec.size()))) {
    return absl::DataLossError("the stored spec cannot be parsed");
  }
  spec = spec::WithDefaults(std::move(spec));
  if (const auto violations = spec::ValidateSpec(spec); !violations.empty()) {
    return absl::DataLossError("the stored spec is not valid: " + violations.front().field + ": " +
                               violations.front().message);
  }
  return ToCoreConfig(spec);
}

}  // namespace layernas
