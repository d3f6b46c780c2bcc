#include "client/report/report_data.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "client/output/frontier.h"
#include "client/output/search_text.h"
#include "client/output/units.h"
#include "client/report/statistics.h"
#include "common/base/version.h"
#include "common/spec/enum_names.h"
#include "common/spec/resolve.h"

namespace layernas::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxFailuresListed = 100;
constexpr std::size_t kMaxLines = 8;

Json Number(double value) {
  if (!std::isfinite(value)) return nullptr;
  // A count or a hash: a whole number has no ".0".
  const auto is_whole = [](double number) { return number == std::floor(number) && std::abs(number) < 1e15; };
  if (is_whole(value)) return static_cast<std::int64_t>(value);
  // Seven digits are shorter than an exact number and finer than a screen.
  const double rounded = std::strtod(absl::StrFormat("%.7g", value).c_str(), nullptr);
  if (is_whole(rounded)) return static_cast<std::int64_t>(rounded);
  return rounded;
}

std::int64_t NumberOf(const std::string& candidate) { return std::strtoll(ShortName(candidate).c_str(), nullptr, 10); }

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) * 1e-9;
}

// Final trainings run after the search, and their rewards are not comparable.
bool HasResult(const v1::Candidate& candidate) {
  return candidate.state() == v1::CANDIDATE_STATE_SUCCEEDED && candidate.final_of().empty();
}

Score ScoreOf(const v1::Candidate& candidate) { return {candidate.reward(), candidate.cost()}; }

// Stores each distinct text once, because many candidates share few texts.
class Texts {
 public:
  std::size_t Add(const std::string& text) {
    const auto [entry, added] = index_.try_emplace(text, index_.size());
    if (added) all_.push_back(text);
    return entry->second;
  }
  Json all() const { return all_; }

 private:
  std::map<std::string, std::size_t> index_;
  std::vector<std::string> all_;
};

// Gives enum values the names that they have in a spec.
void NameEnums(const google::protobuf::Message& message, Json& json) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    const bool is_ours = field->message_type() != nullptr && field->message_type()->file() == field->file();
    if (field->enum_type() != nullptr) {
      json[field->name()] = spec::NameInYaml(*reflection.GetEnum(message, field));
    } else if (is_ours && !field->is_repeated()) {
      NameEnums(reflection.GetMessage(message, field), json[field->name()]);
    }
  }
}

// Writes the set fields in the order of the proto file, so that a spec can be made of them.
Json SpecJson(const v1::SearchSpec& spec) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  // Cannot fail for a spec that the controller has accepted: it has no Any, and only finite
  // numbers.
  (void)google::protobuf::util::MessageToJsonString(spec, &text, options);
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  NameEnums(spec, json);
  return json;
}

Json SearchJson(const v1::Search& search) {
  const v1::SearchProgress& progress = search.progress();
  const auto kind = v1::Strategy::GetDescriptor()->FindFieldByNumber(search.spec().strategy().kind_case());
  Json json = {{"id", ShortName(search.name())},
               {"state", StateText(search.state())},
               {"reason", search.state_reason()},
               {"waiting_for", search.waiting_for()},
               {"created", FormatExactTime(search.create_time())},
               {"ended", FormatExactTime(search.end_time())},
               {"stage", StageText(search)},
               {"strategy", kind == nullptr ? "" : kind->name()},
               {"space_size", Number(spec::SpaceSize(search.spec().space()))},
               {"trainings", progress.trainings()},
               {"budget", progress.trainings_budget()}};
  if (search.has_end_time()) json["seconds"] = Number(Seconds(search.end_time()) - Seconds(search.create_time()));
  Json counts = Json::object();
  counts["queued"] = progress.queued();
  counts["running"] = progress.leased();
  counts["succeeded"] = progress.succeeded();
  counts["infeasible"] = progress.infeasible();
  counts["failed"] = progress.failed();
  counts["stopped"] = progress.stopped();
  counts["skipped"] = progress.skipped();
  json["counts"] = counts;
  return json;
}

Json PointJson(const v1::FrontierPoint& point) {
  Json json = {{"number", NumberOf(point.candidate())},
               {"architecture", point.architecture().id()},
               {"reward", Number(point.reward())},
               {"cost", Number(point.cost())}};
  if (point.trainings() > 1) {
    json["trainings"] = point.trainings();
    json["deviation"] = Number(point.reward_deviation());
  }
  Json metrics = Json::object();
  for (const auto& [name, value] : std::map<std::string, double>(point.metrics().begin(), point.metrics().end())) {
    metrics[name] = Number(value);
  }
  json["metrics"] = metrics;
  return json;
}

Json TargetsJson(const SearchData& data) {
  Json targets = Json::array();
  for (const v1::TargetBest& best : data.best) {
    Json json = {{"target", Number(best.target())}};
    if (best.has_best()) json["best"] = PointJson(best.best());
    if (best.has_nearest()) json["nearest"] = PointJson(best.nearest());
    targets.push_back(std::move(json));
  }
  return targets;
}

Json WinnersJson(const v1::Search& search) {
  Json winners = Json::array();
  for (const v1::Winner& winner : search.winners()) {
    Json json = {{"number", NumberOf(winner.candidate())},
                 {"architecture", winner.architecture().id()},
                 {"trainings", winner.trainings()},
                 {"succeeded", winner.succeeded()}};
    if (winner.succeeded() > 0) {
      json["reward"] = Number(winner.reward());
      json["deviation"] = Number(winner.reward_deviation());
      json["cost"] = Number(winner.cost());
    }
    if (!winner.weights().empty()) {
      json["weights"] = winner.weights(0).path();
      json["worker"] = winner.weights(0).worker();
    }
    winners.push_back(std::move(json));
  }
  return winners;
}

// Curves of stopped trainings and of trainings close to the frontier, evenly chosen if there are
// many.
Json CurvesJson(const SearchData& data, const std::vector<std::size_t>& order) {
  constexpr std::size_t kMaxCurves = 150;
  constexpr int kMaxPoints = 60;
  std::vector<const v1::Candidate*> with_curve;
  for (const std::size_t i : order) {
    if (data.candidates[i].curve_size() > 1) with_curve.push_back(&data.candidates[i]);
  }
  for (const v1::Candidate& candidate : data.candidates) {
    if (candidate.state() == v1::CANDIDATE_STATE_STOPPED && candidate.curve_size() > 0)
      with_curve.push_back(&candidate);
  }
  Json curves = Json::array();
  const std::size_t step = (with_curve.size() + kMaxCurves - 1) / kMaxCurves;
  for (std::size_t i = 0; i < with_curve.size(); i += step) {
    const v1::Candidate& candidate = *with_curve[i];
    Json points = Json::array();
    const int every = (candidate.curve_size() + kMaxPoints - 1) / kMaxPoints;
    for (int at = 0; at < candidate.curve_size(); ++at) {
      if (at % every != 0 && at + 1 != candidate.curve_size()) continue;
      points.push_back({candidate.curve(at).epoch(), Number(static_cast<double>(candidate.curve(at).reward()))});
    }
    curves.push_back({NumberOf(candidate.name()), candidate.state() == v1::CANDIDATE_STATE_STOPPED, std::move(points)});
  }
  return {{"total", with_curve.size()}, {"shown", std::move(curves)}};
}

// Candidates with a result, in the order of their results.
std::vector<std::size_t> OrderOfArrival(const std::vector<v1::Candidate>& candidates) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (HasResult(candidates[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return Seconds(candidates[a].end_time()) < Seconds(candidates[b].end_time());
  });
  return order;
}

// Returns one line per target (the first targets if there are many), or one line of all results if
// there are no targets or no result meets any. Steps are [arrival, reward].
Json BestLines(const SearchData& data, const std::vector<std::size_t>& order) {
  std::vector<Score> scores;
  std::vector<std::size_t> arrivals;
  for (std::size_t i = 0; i < order.size(); ++i) {
    // Repeats of a finalist find nothing new.
    if (data.candidates[order[i]].repeat() > 0) continue;
    scores.push_back(ScoreOf(data.candidates[order[i]]));
    arrivals.push_back(i + 1);
  }
  const auto line = [&](double target) {
    Json steps = Json::array();
    for (const std::size_t i : BestSoFar(scores, target)) steps.push_back({arrivals[i], Number(scores[i].reward)});
    return Json{{"target", Number(target)}, {"steps", std::move(steps)}};
  };
  Json lines = Json::array();
  const auto& targets = data.search.spec().objective().targets();
  for (const double target : targets) {
    if (lines.size() < kMaxLines) lines.push_back(line(target));
  }
  const bool any_step =
      std::any_of(lines.begin(), lines.end(), [](const Json& each) { return !each["steps"].empty(); });
  if (!any_step) lines.push_back(line(std::numeric_limits<double>::infinity()));
  return lines;
}

Json EffectsJson(const SearchData& data, const std::vector<std::size_t>& order) {
  const v1::Space& space = data.search.spec().space();
  std::vector<std::size_t> options;
  for (const v1::Layer& layer : space.layers()) options.push_back(static_cast<std::size_t>(layer.options_size()));
  std::vector<std::vector<std::uint16_t>> choices;
  std::vector<Score> scores;
  for (const std::size_t i : order) {
    auto parsed = spec::ParseArchitectureId(space, data.candidates[i].architecture().id());
    if (!parsed) continue;
    choices.push_back(*std::move(parsed));
    scores.push_back(ScoreOf(data.candidates[i]));
  }
  Json effects = Json::array();
  for (const std::vector<OptionEffect>& layer : OptionEffects(options, choices, scores)) {
    Json row = Json::array();
    for (const OptionEffect& effect : layer) {
      row.push_back(effect.results == 0 ? Json(nullptr)
                                        : Json{effect.results, Number(effect.reward), Number(effect.cost),
                                               Number(effect.reward_margin)});
    }
    const std::optional<std::size_t> best = ToldApart(layer);
    effects.push_back({{"options", std::move(row)}, {"told_apart", best.has_value() ? Json(*best) : Json(nullptr)}});
  }
  return effects;
}

Json BucketsJson(const SearchData& data) {
  Json buckets = Json::array();
  for (const v1::Bucket& bucket : data.buckets) {
    const v1::BucketEntry& best = bucket.entries(0);
    buckets.push_back({bucket.stage(), bucket.bucket(), Number(bucket.lower()), Number(bucket.upper()),
                       Number(best.reward()), Number(best.cost()), NumberOf(best.candidate()), best.is_estimate()});
  }
  return buckets;
}

// The same network as an infeasible candidate fails without an attempt, with a message that says
// so.
bool IsOfAnAttempt(const v1::AttemptFailure& failure) { return failure.attempt() > 0; }

// Failed attempts, grouped by kind and first line, most frequent first.
Json FailuresJson(const SearchData& data) {
  struct Group {
    std::int64_t attempts = 0;
    std::set<std::string> workers;
    std::int64_t first_candidate = 0;
    std::string message;
  };
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const v1::Candidate& candidate : data.candidates) {
    for (const v1::AttemptFailure& failure : candidate.failures()) {
      if (!IsOfAnAttempt(failure)) continue;
      const std::string line = failure.message().substr(0, failure.message().find('\n'));
      Group& group = groups[{FailureKindText(failure.kind()), line}];
      if (group.attempts++ == 0) {
        group.first_candidate = NumberOf(candidate.name());
        group.message = failure.message();
      }
      group.workers.insert(failure.worker());
    }
  }
  std::vector<Json> rows;
  for (const auto& [key, group] : groups) {
    rows.push_back({{"kind", key.first},
                    {"message", group.message},
                    {"attempts", group.attempts},
                    {"workers", group.workers.size()},
                    {"worker", *group.workers.begin()},
                    {"first", group.first_candidate}});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Json& a, const Json& b) { return a["attempts"] > b["attempts"]; });
  Json json = {{"kinds", rows.size()}};
  rows.resize(std::min(rows.size(), kMaxFailuresListed));
  json["rows"] = std::move(rows);
  return json;
}

Json WorkersJson(const SearchData& data) {
  struct Tally {
    std::int64_t results = 0;
    std::int64_t failures = 0;
    double seconds = 0;
  };
  std::map<std::string, Tally> tallies;
  for (const v1::Candidate& candidate : data.candidates) {
    for (const v1::AttemptFailure& failure : candidate.failures()) {
      if (IsOfAnAttempt(failure)) ++tallies[failure.worker()].failures;
    }
    if (!HasResult(candidate) || candidate.worker().empty()) continue;
    Tally& tally = tallies[candidate.worker()];
    ++tally.results;
    tally.seconds += Seconds(candidate.end_time()) - Seconds(candidate.start_time());
  }
  Json workers = Json::array();
  for (const auto& [name, tally] : tallies) {
    workers.push_back({name, tally.results, tally.failures, Number(tally.seconds)});
  }
  return workers;
}

// Returns the candidates to draw: all, or an even selection and those closest to the frontier.
std::vector<std::size_t> Shown(const SearchData& data, const std::map<std::size_t, double>& gaps, std::size_t max) {
  std::vector<std::size_t> all(data.candidates.size());
  std::iota(all.begin(), all.end(), 0);
  if (all.size() <= max) return all;
  std::vector<std::pair<double, std::size_t>> closest;
  for (const auto& [i, gap] : gaps) closest.emplace_back(gap, i);
  const std::size_t kept = std::min(closest.size(), max / 4);
  std::partial_sort(closest.begin(), closest.begin() + static_cast<std::ptrdiff_t>(kept), closest.end());
  std::set<std::size_t> shown;
  for (std::size_t i = 0; i < kept; ++i) shown.insert(closest[i].second);
  const std::size_t step = (all.size() + max - kept - 1) / (max - kept);
  for (std::size_t i = 0; i < all.size(); i += step) shown.insert(i);
  return {shown.begin(), shown.end()};
}

Json CandidatesJson(const SearchData& data, const std::vector<std::size_t>& order, std::size_t max) {
  std::vector<Score> frontier;
  for (const v1::FrontierPoint& point : data.frontier) frontier.push_back({point.reward(), point.cost()});
  std::vector<Score> scores;
  for (const std::size_t i : order) scores.push_back(ScoreOf(data.candidates[i]));
  const std::vector<double> computed = GapsToFrontier(frontier, scores);
  std::map<std::size_t, double> gaps;
  std::map<std::size_t, std::size_t> arrival;
  for (std::size_t i = 0; i < order.size(); ++i) {
    gaps.emplace(order[i], computed[i]);
    arrival.emplace(order[i], i + 1);
  }
  const std::set<std::string> metric_names = MetricsBesides(data.search, data.candidates);

  Texts states;
  Texts workers;
  Json number = Json::array(), architecture = Json::array(), state = Json::array(), pass = Json::array(),
       stage = Json::array(), arrived = Json::array(), reward = Json::array(), cost = Json::array(),
       gap = Json::array(), seconds = Json::array(), worker = Json::array(), repeat_of = Json::array(),
       final_of = Json::array();
  std::vector<Json> metrics(metric_names.size(), Json::array());
  for (const std::size_t i : Shown(data, gaps, max)) {
    const v1::Candidate& candidate = data.candidates[i];
    const bool result = HasResult(candidate);
    number.push_back(NumberOf(candidate.name()));
    architecture.push_back(candidate.architecture().id());
    state.push_back(states.Add(StateText(candidate.state())));
    pass.push_back(candidate.pass());
    stage.push_back(candidate.stage());
    arrived.push_back(result ? Json(arrival.at(i)) : Json(nullptr));
    reward.push_back(result ? Number(candidate.reward()) : Json(nullptr));
    cost.push_back(HasCost(candidate) ? Number(candidate.cost()) : Json(nullptr));
    gap.push_back(result ? Number(gaps.at(i)) : Json(nullptr));
    const double took = Seconds(candidate.end_time()) - Seconds(candidate.start_time());
    seconds.push_back(result && candidate.has_start_time() ? Number(std::round(took * 1000) / 1000) : Json(nullptr));
    worker.push_back(
        workers.Add(candidate.reused_from().empty() ? candidate.worker() : "reused: " + candidate.reused_from()));
    repeat_of.push_back(candidate.repeat() > 0 ? NumberOf(candidate.repeat_of()) : 0);
    final_of.push_back(candidate.final_of().empty() ? 0 : NumberOf(candidate.final_of()));
    std::size_t column = 0;
    for (const std::string& name : metric_names) {
      const auto metric = candidate.metrics().find(name);
      metrics[column++].push_back(metric == candidate.metrics().end() ? Json(nullptr) : Number(metric->second));
    }
  }
  return {{"total", data.candidates.size()}, {"metric_names", metric_names},
          {"states", states.all()},          {"workers", workers.all()},
          {"number", std::move(number)},     {"architecture", std::move(architecture)},
          {"state", std::move(state)},       {"pass", std::move(pass)},
          {"stage", std::move(stage)},       {"arrival", std::move(arrived)},
          {"reward", std::move(reward)},     {"cost", std::move(cost)},
          {"gap", std::move(gap)},           {"seconds", std::move(seconds)},
          {"worker", std::move(worker)},     {"repeat_of", std::move(repeat_of)},
          {"final_of", std::move(final_of)}, {"metrics", std::move(metrics)}};
}

}  // namespace

nlohmann::ordered_json ReportData(const SearchData& data, std::size_t max_candidates) {
  const std::vector<std::size_t> order = OrderOfArrival(data.candidates);
  Json frontier = Json::array();
  for (const v1::FrontierPoint& point : data.frontier) frontier.push_back(PointJson(point));
  return {{"version", std::string(Version())},   {"search", SearchJson(data.search)},
          {"reward", RewardName(data.search)},   {"cost", CostName(data.search)},
          {"targets", TargetsJson(data)},        {"frontier", std::move(frontier)},
          {"winners", WinnersJson(data.search)}, {"best_lines", BestLines(data, order)},
          {"curves", CurvesJson(data, order)},   {"effects", EffectsJson(data, order)},
          {"buckets", BucketsJson(data)},        {"failures", FailuresJson(data)},
          {"workers", WorkersJson(data)},        {"candidates", CandidatesJson(data, order, max_candidates)},
          {"spec", SpecJson(data.search.spec())}};
}

}  // namespace layernas::client
