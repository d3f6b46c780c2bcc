#include "client/spec/cost_table.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include "absl/strings/str_cat.h"
#include "common/base/read_file.h"
#include "common/base/status_macros.h"
#include "common/process/replace_file.h"
#include "common/spec/json.h"
#include "common/spec/resolve.h"

namespace layernas::client {
namespace {

using google::protobuf::util::MessageDifferencer;
using nlohmann::ordered_json;

constexpr std::size_t kMaxTableBytes = 16 << 20;
// Writing and reading a deeper one would use up the stack.
constexpr int kMaxLevels = 100;
constexpr char kAgain[] = "; measure again with 'layernas measure lut'";

absl::Status ReadPart(const ordered_json& json, const std::string& name, google::protobuf::Message& message) {
  if (!json.contains(name) || !json[name].is_object()) {
    return absl::InvalidArgumentError("has no " + name + ": it is not a table from 'layernas measure lut'");
  }
  const auto status = google::protobuf::util::JsonStringToMessage(json[name].dump(), &message);
  if (!status.ok()) return absl::InvalidArgumentError("its " + name + " cannot be read: " + status.ToString());
  return absl::OkStatus();
}

absl::StatusOr<CostTable> ParseCostTable(const std::string& text) {
  bool is_too_deep = false;
  const auto check_depth = [&is_too_deep](int depth, ordered_json::parse_event_t, const ordered_json&) {
    is_too_deep = is_too_deep || depth > kMaxLevels;
    return !is_too_deep;
  };
  const ordered_json json = ordered_json::parse(text, check_depth, /*allow_exceptions=*/false);
  if (is_too_deep) return absl::InvalidArgumentError(absl::StrCat("is nested more than ", kMaxLevels, " levels deep"));
  if (!json.is_object() || !json.contains("metric") || !json["metric"].is_string()) {
    return absl::InvalidArgumentError("is not a table from 'layernas measure lut'");
  }
  CostTable table;
  table.metric = json["metric"].get<std::string>();
  LAYERNAS_RETURN_IF_ERROR(ReadPart(json, "measure", table.measure));
  LAYERNAS_RETURN_IF_ERROR(ReadPart(json, "space", table.space));
  table.notes = json;
  for (const char* name : {"metric", "measure", "space"}) table.notes.erase(name);
  return table;
}

// Compares the settings that influence a latency; the number of runs does not.
bool MeasuredAlike(const v1::Measurement& a, const v1::Measurement& b) {
  const auto or_one = [](bool given, int value) { return given ? value : 1; };
  const auto precision = [](const v1::Measurement& measure) {
    return measure.precision().empty() ? std::string_view("float32") : std::string_view(measure.precision());
  };
  return precision(a) == precision(b) && or_one(a.has_batch(), a.batch()) == or_one(b.has_batch(), b.batch()) &&
         or_one(a.has_threads(), a.threads()) == or_one(b.has_threads(), b.threads()) &&
         MessageDifferencer::Equals(a.parameters(), b.parameters());
}

// Returns null if the table has no identical option.
const v1::Option* Find(const v1::Layer& in_table, const v1::ChosenLayer& wanted) {
  for (const v1::Option& option : in_table.options()) {
    if (MessageDifferencer::Equals(spec::Choose(in_table, option), wanted)) return &option;
  }
  return nullptr;
}

}  // namespace

absl::Status WriteCostTable(const std::string& path, const CostTable& table) {
  ordered_json json = {{"metric", table.metric}};
  json.update(table.notes);
  LAYERNAS_ASSIGN_OR_RETURN(json["measure"], spec::ToJson(table.measure));
  LAYERNAS_ASSIGN_OR_RETURN(json["space"], spec::ToJson(table.space));
  return WriteOutputFile(path, json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

absl::StatusOr<CostTable> ReadCostTable(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxTableBytes + 1);
  if (!text.ok()) return absl::InvalidArgumentError(absl::StrCat("cannot be read: ", text.status().message()));
  if (text->size() > kMaxTableBytes) return absl::InvalidArgumentError("is larger than 16 MiB");
  return ParseCostTable(*text);
}

absl::Status ApplyCostTable(const CostTable& table, v1::SearchSpec& spec) {
  const std::string& metric = table.metric;
  if (spec.objective().cost() != metric) {
    return absl::InvalidArgumentError(
        absl::StrCat("the table has costs for ", metric, ", but the spec's objective.cost is ",
                     spec.objective().cost().empty() ? "missing" : spec.objective().cost()));
  }
  if (!MessageDifferencer::Equals(spec.space().network(), table.space.network()) ||
      spec.space().layers_size() != table.space.layers_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the table was measured for another network (space.network or the number of layers)", kAgain));
  }
  if (!MeasuredAlike(spec.evaluation().measure(), table.measure)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the table was measured with another batch, precision, threads or parameters of evaluation.measure", kAgain));
  }
  v1::Space priced = spec.space();
  for (int i = 0; i < priced.layers_size(); ++i) {
    v1::Layer& layer = *priced.mutable_layers(i);
    for (v1::Option& option : *layer.mutable_options()) {
      if (option.costs().contains(metric)) {
        return absl::InvalidArgumentError(absl::StrCat("the options of layer \"", layer.name(),
                                                       "\" already have costs for ", metric,
                                                       " in the spec: remove them or leave out the table"));
      }
      const v1::Option* same = Find(table.space.layers(i), spec::Choose(layer, option));
      if (same == nullptr || !same->costs().contains(metric)) {
        return absl::InvalidArgumentError(absl::StrCat("the table has no option \"", option.name(), "\" of layer \"",
                                                       layer.name(), "\" with the same definition", kAgain));
      }
      (*option.mutable_costs())[metric] = same->costs().at(metric);
    }
  }
  const auto base = table.space.base_costs().find(metric);
  if (base != table.space.base_costs().end()) (*priced.mutable_base_costs())[metric] = base->second;
  *spec.mutable_space() = std::move(priced);
  return absl::OkStatus();
}

}  // namespace layernas::client
