#include "common/spec/validate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "common/base/cost_limit.h"
#include "common/base/label.h"
#include "common/base/number.h"
#include "common/spec/checks.h"
#include "common/spec/costs.h"
#include "common/spec/violations.h"

namespace layernas::spec {
namespace {

constexpr std::size_t kMaxNameLength = 40;
constexpr int kMaxAttempts = 20;
constexpr double kMinWeight = 0.001;
constexpr double kMaxWeight = 1000;
constexpr int kMaxPriority = 1000;
constexpr int kMaxWinners = 200;
// Default number of runs of a measurement (spec.proto).
constexpr int kDefaultRuns = 200;
// Protobuf reads at most 100 messages in each other, of which a map in a map takes three, and writes
// fewer as JSON. A search with a deeper spec could be created, but not be listed.
constexpr int kMaxParameterLevels = 20;

using Costs = google::protobuf::Map<std::string, double>;

void CheckSearchName(const std::string& name, Violations& violations) {
  if (name.empty()) {
    violations.Add("name", "is missing: give the search a name, for example my-search");
    return;
  }
  const bool characters = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  if (!characters || name.size() > kMaxNameLength || name.front() == '-' || name.back() == '-') {
    violations.Add("name", "must be lower-case letters, digits and dashes, at most " + std::to_string(kMaxNameLength) +
                               ", with no dash at either end");
  }
}

// Returns how many lists and maps contain each other, at most.
int LevelsOf(const google::protobuf::Struct& map);
int LevelsOf(const google::protobuf::Value& value) {
  if (value.has_struct_value()) return LevelsOf(value.struct_value());
  if (!value.has_list_value()) return 0;
  int levels = 0;
  for (const google::protobuf::Value& item : value.list_value().values()) levels = std::max(levels, LevelsOf(item));
  return 1 + levels;
}
int LevelsOf(const google::protobuf::Struct& map) {
  int levels = 0;
  for (const auto& [name, value] : map.fields()) levels = std::max(levels, LevelsOf(value));
  return 1 + levels;
}

void CheckParameters(const std::string& path, const google::protobuf::Struct& parameters, Violations& violations) {
  if (LevelsOf(parameters) <= kMaxParameterLevels) return;
  violations.Add(path + ".parameters", "are nested more than " + std::to_string(kMaxParameterLevels) + " levels deep");
}

void CheckNetwork(const v1::Network& network, Violations& violations) {
  CheckParameters("space.network", network.parameters(), violations);
  for (int i = 0; i < network.input_size(); ++i) {
    violations.CheckAtLeast(At("space.network.input", i), network.input(i), 1);
  }
  violations.CheckAtLeast("space.network.classes", network.classes(), 0);
  violations.CheckAtLeast("space.network.stem_channels", network.stem_channels(), 0);
  violations.CheckAtLeast("space.network.head_channels", network.head_channels(), 0);
}

void CheckCosts(const std::string& path, const Costs& costs, Violations& violations) {
  // A protobuf map is unordered, but messages must always come in the same order.
  for (const auto& [metric, value] : std::map<std::string, double>(costs.begin(), costs.end())) {
    const std::string field = path + "." + metric;
    violations.CheckText(field, metric, "the metric's name");
    violations.CheckAtLeast(field, value, 0);
  }
}

// Rejects a second item of the same name. CheckText reports empty names.
class UniqueNames {
 public:
  void Check(const std::string& item, const std::string& name, Violations& violations) {
    if (name.empty()) return;
    const auto [first, is_new] = first_.emplace(name, item);
    if (!is_new) {
      violations.Add(item + ".name",
                     "\"" + name + "\" is already the name of " + first->second + ": names must differ");
    }
  }

 private:
  std::unordered_map<std::string, std::string> first_;
};

bool CheckCount(const std::string& path, int count, const char* what, Violations& violations) {
  if (count == 0) {
    violations.Add(path, "is missing: give at least one " + std::string(what));
  } else if (count > kMaxItems) {
    violations.Add(path,
                   "must have at most " + std::to_string(kMaxItems) + " " + what + "s, has " + std::to_string(count));
  }
  return count > 0 && count <= kMaxItems;
}

void CheckLayer(const std::string& path, const v1::Layer& layer, Violations& violations) {
  violations.CheckText(path + ".name", layer.name(), "the layer a name");
  if (CheckCount(path + ".options", layer.options_size(), "option", violations)) {
    UniqueNames names;
    bool has_default = layer.default_().empty();
    for (int i = 0; i < layer.options_size(); ++i) {
      const v1::Option& option = layer.options(i);
      const std::string item = At(path + ".options", i);
      violations.CheckText(item + ".name", option.name(), "the option a name, for example mbconv_k3_e3");
      names.Check(item, option.name(), violations);
      CheckCosts(item + ".costs", option.costs(), violations);
      CheckParameters(item, option.parameters(), violations);
      has_default = has_default || option.name() == layer.default_();
    }
    if (!has_default) {
      violations.Add(path + ".default",
                     "\"" + layer.default_() + "\" is not an option of the layer: name one of its options");
    }
  }
  violations.CheckAtLeast(path + ".channels", layer.channels(), 0);
  violations.CheckAtLeast(path + ".stride", layer.stride(), 0);
  CheckParameters(path, layer.parameters(), violations);
}

// Either all options have the cost, or none.
void CheckCostsAreComplete(const v1::SearchSpec& spec, Violations& violations) {
  const std::string& cost = spec.objective().cost();
  if (cost.empty()) return;
  std::string first_with;
  std::string first_without;
  for (int i = 0; i < spec.space().layers_size(); ++i) {
    const v1::Layer& layer = spec.space().layers(i);
    for (int j = 0; j < layer.options_size(); ++j) {
      std::string& first = layer.options(j).costs().contains(cost) ? first_with : first_without;
      if (first.empty()) first = At(At("space.layers", i) + ".options", j);
    }
  }
  if (!first_with.empty() && !first_without.empty()) {
    violations.Add(first_without + ".costs",
                   "lacks " + cost + ", which other options have (" + first_with +
                       "): give it to every option, or remove it from all options to measure it");
  } else if (first_with.empty() && spec.space().base_costs().contains(cost)) {
    violations.Add("space.base_costs." + cost, "has no effect because no option has a cost of that name: add " + cost +
                                                   " to every option's costs, or remove it here");
  }
}

void CheckSpace(const v1::SearchSpec& spec, Violations& violations) {
  if (!spec.has_space()) {
    violations.Add("space", "is missing: give the layers and their options");
    return;
  }
  const v1::Space& space = spec.space();
  CheckNetwork(space.network(), violations);
  if (CheckCount("space.layers", space.layers_size(), "layer", violations)) {
    UniqueNames names;
    for (int i = 0; i < space.layers_size(); ++i) {
      const std::string item = At("space.layers", i);
      names.Check(item, space.layers(i).name(), violations);
      CheckLayer(item, space.layers(i), violations);
    }
    CheckCostsAreComplete(spec, violations);
  }
  CheckCosts("space.base_costs", space.base_costs(), violations);
}

void CheckObjective(const v1::Objective& objective, const std::optional<CostBounds>& bounds, Violations& violations) {
  if (!objective.reward().empty()) violations.CheckText("objective.reward", objective.reward(), "a metric");
  violations.CheckText("objective.cost", objective.cost(),
                       "the metric to keep low, for example latency_ms, multiply_adds or params");
  if (!objective.cost().empty() && objective.cost() == objective.reward()) {
    violations.Add("objective.cost", "must not be the reward's metric, " + objective.reward());
  }
  if (objective.targets_size() > kMaxTargets) {
    violations.Add("objective.targets", "must have at most " + std::to_string(kMaxTargets) + " targets, has " +
                                            std::to_string(objective.targets_size()));
    return;
  }
  std::map<double, int> first;
  for (int i = 0; i < objective.targets_size(); ++i) {
    const double target = objective.targets(i);
    const std::string field = At("objective.targets", i);
    if (!std::isfinite(target) || target <= 0) {
      violations.Add(field, "must be a finite number above 0, is " + FormatNumber(target));
      continue;
    }
    if (const auto [earlier, is_new] = first.emplace(target, i); !is_new) {
      violations.Add(field, FormatNumber(target) + " is already in " + At("objective.targets", earlier->second) +
                                ": remove one of them");
    } else if (bounds.has_value() && !MeetsLimit(bounds->cheapest, target)) {
      violations.Add(field, "no architecture can meet " + FormatNumber(target) + ": the cheapest one costs " +
                                FormatNumber(bounds->cheapest));
    }
  }
}

void CheckDuration(const std::string& field, const google::protobuf::Duration& duration, Violations& violations) {
  if (duration.seconds() < 0 || duration.nanos() < 0 || (duration.seconds() == 0 && duration.nanos() == 0)) {
    violations.Add(field, "must be longer than 0s");
  } else if (duration.seconds() > kMaxDurationSeconds) {
    violations.Add(field, "must be at most ten years");
  } else if (duration.nanos() > 999'999'999) {
    violations.Add(field, "must have nanos of less than a second");
  }
}

void CheckBudget(const v1::SearchSpec& spec, Violations& violations) {
  const v1::Budget& budget = spec.budget();
  const bool ends_by_itself = spec.strategy().has_layernas() || spec.strategy().has_exhaustive();
  if (!ends_by_itself && !budget.has_trainings() && !budget.has_duration()) {
    violations.Add("budget", "is missing: this strategy needs budget.trainings or budget.duration");
  }
  if (budget.has_trainings()) violations.CheckAtLeast("budget.trainings", budget.trainings(), 1);
  if (budget.has_duration()) CheckDuration("budget.duration", budget.duration(), violations);
  if (budget.has_initial_failures()) {
    violations.CheckAtLeast("budget.initial_failures", budget.initial_failures(), 1);
  }
}

void CheckFinalists(const v1::SearchSpec& spec, Violations& violations) {
  const v1::Finalists& finalists = spec.finalists();
  // 0 means not set.
  if (finalists.trainings() != 0) violations.CheckRange("finalists.trainings", finalists.trainings(), 2, 20);
  if (finalists.has_repeats()) violations.CheckAtLeast("finalists.repeats", finalists.repeats(), 1);
  const std::int32_t repeats = WithFinalistDefaults(spec).repeats();
  if (spec.budget().has_trainings() && repeats >= spec.budget().trainings()) {
    violations.Add(finalists.has_repeats() ? "finalists.repeats" : "finalists",
                   "up to " + std::to_string(repeats) +
                       " repeats count as trainings: budget.trainings must be larger than that, is " +
                       std::to_string(spec.budget().trainings()));
  }
}

void CheckFinal(const v1::SearchSpec& spec, Violations& violations) {
  const v1::Final& final = spec.final();
  // 0 means not set.
  if (final.per_target() != 0) violations.CheckRange("final.per_target", final.per_target(), 1, 20);
  // Each answer with the search contains the winners.
  const int winners = std::max(1, final.per_target()) * std::max(1, spec.objective().targets_size());
  if (winners > kMaxWinners) {
    violations.Add("final.per_target", "would train " + std::to_string(winners) + " architectures in full for " +
                                           std::to_string(spec.objective().targets_size()) +
                                           " targets, more than the maximum of " + std::to_string(kMaxWinners));
  }
  if (final.has_epochs()) violations.CheckAtLeast("final.epochs", final.epochs(), 1);
  if (final.seeds() != 0) violations.CheckRange("final.seeds", final.seeds(), 1, 20);
  if (final.has_timeout()) CheckDuration("final.timeout", final.timeout(), violations);
}

void CheckPrecision(const std::string& path, const std::string& precision, Violations& violations) {
  if (precision.empty() || precision == "float32" || precision == "bfloat16") return;
  violations.Add(path, "must be float32 or bfloat16, is \"" + precision + "\"");
}

void CheckTraining(const v1::Training& train, Violations& violations) {
  const std::string path = "evaluation.train.";
  const auto at_least = [&](const char* name, bool given, double value, double min) {
    if (given) violations.CheckAtLeast(path + name, value, min);
  };
  CheckParameters("evaluation.train", train.parameters(), violations);
  at_least("epochs", train.has_epochs(), train.epochs(), 1);
  at_least("batch", train.has_batch(), train.batch(), 1);
  if (train.has_learning_rate() && !(train.learning_rate() > 0 && std::isfinite(train.learning_rate()))) {
    violations.Add(path + "learning_rate",
                   "must be a finite number above 0, is " + FormatNumber(train.learning_rate()));
  }
  if (train.has_momentum()) violations.CheckRange(path + "momentum", train.momentum(), 0, 1);
  at_least("weight_decay", train.has_weight_decay(), train.weight_decay(), 0);
  if (train.has_label_smoothing()) violations.CheckRange(path + "label_smoothing", train.label_smoothing(), 0, 1);
  if (!train.optimizer().empty() && train.optimizer() != "sgd" && train.optimizer() != "adamw") {
    violations.Add(path + "optimizer", "must be sgd or adamw, is \"" + train.optimizer() + "\"");
  }
  CheckPrecision(path + "precision", train.precision(), violations);
  if (train.has_warm_up()) violations.CheckRange(path + "warm_up", train.warm_up(), 0, 1);
  at_least("clip_norm", train.has_clip_norm(), train.clip_norm(), 0);
  if (train.has_ema_decay()) violations.CheckRange(path + "ema_decay", train.ema_decay(), 0, 0.999999);
  at_least("patience", train.has_patience(), train.patience(), 0);
  at_least("train_examples", train.has_train_examples(), train.train_examples(), 1);
  at_least("validation_examples", train.has_validation_examples(), train.validation_examples(), 1);
}

void CheckMeasurement(const v1::Measurement& measure, Violations& violations) {
  CheckParameters("evaluation.measure", measure.parameters(), violations);
  if (measure.has_batch()) violations.CheckAtLeast("evaluation.measure.batch", measure.batch(), 1);
  if (measure.has_warm_up()) violations.CheckAtLeast("evaluation.measure.warm_up", measure.warm_up(), 0);
  if (measure.has_runs()) violations.CheckAtLeast("evaluation.measure.runs", measure.runs(), 1);
  if (measure.has_ratio_interval()) {
    violations.CheckRange("evaluation.measure.ratio_interval", measure.ratio_interval(), 1e-4, 1);
  }
  if (measure.has_max_runs()) {
    violations.CheckAtLeast("evaluation.measure.max_runs", measure.max_runs(),
                            measure.has_runs() ? measure.runs() : kDefaultRuns);
  }
  if (measure.has_threads()) violations.CheckRange("evaluation.measure.threads", measure.threads(), 1, 1024);
  CheckPrecision("evaluation.measure.precision", measure.precision(), violations);
}

void CheckSharing(const std::string& path, const v1::Sharing& sharing, Violations& violations) {
  if (sharing.has_weight()) violations.CheckRange(path + "weight", sharing.weight(), kMinWeight, kMaxWeight);
  if (sharing.has_priority()) {
    violations.CheckRange(path + "priority", sharing.priority(), -kMaxPriority, kMaxPriority);
  }
  if (sharing.has_max_running()) violations.CheckAtLeast(path + "max_running", sharing.max_running(), 0);
}

void CheckLabels(const std::string& path, const google::protobuf::Map<std::string, std::string>& labels,
                 Violations& violations) {
  for (const auto& [key, value] : std::map<std::string, std::string>(labels.begin(), labels.end())) {
    const std::string field = path + "." + key;
    violations.CheckText(field, key, "the label's key");
    violations.CheckText(field, value, "the label's value");
    if (value.starts_with(">=") && !ParseAtLeast(value)) {
      violations.Add(field, "\"" + value + "\" must have a number after the >=, for example \">=16\"");
    }
  }
}

void CheckEvaluation(const v1::Evaluation& evaluation, Violations& violations) {
  CheckTraining(evaluation.train(), violations);
  CheckMeasurement(evaluation.measure(), violations);
  CheckLabels("evaluation.require", evaluation.require(), violations);
  CheckLabels("evaluation.measure_on", evaluation.measure_on(), violations);
  if (evaluation.has_timeout()) CheckDuration("evaluation.timeout", evaluation.timeout(), violations);
  if (evaluation.has_attempts()) {
    violations.CheckRange("evaluation.attempts", evaluation.attempts(), 1, kMaxAttempts);
  }
}

void CheckEarlyStop(const v1::SearchSpec& spec, Violations& violations) {
  const v1::EarlyStop& early_stop = spec.evaluation().early_stop();
  const std::string path = "evaluation.early_stop";
  // 0 means not set.
  if (early_stop.compared() != 0) violations.CheckRange(path + ".compared", early_stop.compared(), 2, 1000);
  if (early_stop.has_min_epochs()) violations.CheckAtLeast(path + ".min_epochs", early_stop.min_epochs(), 1);
  const v1::Evaluation& evaluation = spec.evaluation();
  const bool is_measured_apart = evaluation.measure_first() || !evaluation.measure_on().empty();
  if (!is_measured_apart && !spec.objective().counted() && !CostIsPerLayer(spec)) {
    violations.Add(
        path,
        "compares trainings of similar cost, so costs must be known before training: give every option its cost, "
        "count costs (objective.counted), or measure architectures before training "
        "(evaluation.measure_first or measure_on)");
  }
}

}  // namespace

std::vector<Violation> ValidateSharing(const v1::Sharing& sharing) {
  Violations violations;
  CheckSharing("", sharing, violations);
  return violations.Take();
}

void CheckMeasureFirst(const v1::SearchSpec& spec, Violations& violations) {
  const char* field = "evaluation.measure_first";
  if (spec.objective().targets().empty()) {
    violations.Add(field, "skips architectures that exceed every target: set objective.targets");
  }
  if (spec.objective().counted() || CostIsPerLayer(spec)) {
    violations.Add(field, "has no effect because the cost is known without measuring: remove it");
  }
  if (spec.strategy().has_layernas()) {
    violations.Add(field,
                   "cannot be combined with strategy.layernas, which reaches small architectures through large ones: "
                   "use guided_layernas, or remove it");
  }
}

std::vector<Violation> ValidateSpec(const v1::SearchSpec& spec) {
  Violations violations;
  if (const std::size_t size = spec.ByteSizeLong(); size > kMaxSpecBytes) {
    violations.Add("", "the spec has " + std::to_string(size) + " bytes, more than the maximum of " +
                           std::to_string(kMaxSpecBytes) + ": make names shorter or the space smaller");
    return violations.Take();
  }
  std::optional<CostBounds> bounds = BoundCosts(spec);
  CheckSearchName(spec.name(), violations);
  CheckSpace(spec, violations);
  if (spec.objective().counted()) {
    v1::SearchSpec counted = spec;
    if (const absl::Status status = CountCosts(counted); !status.ok()) {
      violations.Add("objective.counted", std::string(status.message()));
    }
    bounds = BoundCosts(counted);
  }
  if (bounds.has_value() && !std::isfinite(bounds->dearest)) {
    violations.Add("space",
                   "the cost of an architecture would overflow: choose a larger unit of " + spec.objective().cost());
    bounds.reset();
  }
  CheckObjective(spec.objective(), bounds, violations);
  CheckStrategy(spec, bounds, violations);
  CheckBudget(spec, violations);
  if (spec.has_finalists()) CheckFinalists(spec, violations);
  if (spec.has_final()) CheckFinal(spec, violations);
  CheckEvaluation(spec.evaluation(), violations);
  if (spec.evaluation().measure_first()) CheckMeasureFirst(spec, violations);
  if (spec.evaluation().has_early_stop()) CheckEarlyStop(spec, violations);
  CheckSharing("sharing.", spec.sharing(), violations);
  return violations.Take();
}

}  // namespace layernas::spec
