#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/commands/command.h"
#include "client/output/comparison.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/output/units.h"
#include "client/output/yaml.h"

namespace layernas::client {
namespace {

using Json = nlohmann::ordered_json;

struct CompareOptions {
  std::string a;
  std::string b;
  OutputFormat output = OutputFormat::kTable;
};

struct Side {
  v1::Search search;
  v1::GetFrontierResponse frontier;
};

absl::StatusOr<Side> Fetch(ControllerConnection& connection, const std::string& written) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::string name, FindSearch(connection, written));
  Side side;
  LAYERNAS_ASSIGN_OR_RETURN(side.search, GetSearch(connection, name));
  LAYERNAS_ASSIGN_OR_RETURN(side.frontier, GetFrontier(connection, name));
  return side;
}

// The targets of both searches; without any, one target that everything meets.
std::set<double> TargetsOf(const Side& a, const Side& b) {
  std::set<double> targets;
  for (const Side* side : {&a, &b}) {
    const auto& own = side->search.spec().objective().targets();
    targets.insert(own.begin(), own.end());
  }
  if (targets.empty()) targets.insert(std::numeric_limits<double>::infinity());
  return targets;
}

Json SideJson(const Side& side) {
  return {{"name", side.search.name()},
          {"state", StateText(side.search.state())},
          {"trainings", side.search.progress().trainings()},
          {"frontier_size", side.frontier.points_size()}};
}

Json PointJson(const v1::FrontierPoint* point) {
  if (point == nullptr) return nullptr;
  return {{"reward", point->reward()}, {"cost", point->cost()}, {"architecture", point->architecture().id()}};
}

Json ToJson(const Side& a, const Side& b) {
  Json targets = Json::array();
  for (const double target : TargetsOf(a, b)) {
    targets.push_back({{"target", std::isfinite(target) ? Json(target) : Json(nullptr)},
                       {"a", PointJson(BestWithin(a.frontier, target))},
                       {"b", PointJson(BestWithin(b.frontier, target))}});
  }
  return {{"a", SideJson(a)},
          {"b", SideJson(b)},
          {"targets", std::move(targets)},
          {"points_of_b_matched_by_a", Matched(a.frontier, b.frontier)},
          {"points_of_a_matched_by_b", Matched(b.frontier, a.frontier)}};
}

Table TargetTable(const Side& a, const Side& b) {
  const std::string reward = RewardName(a.search);
  const std::string cost = CostName(a.search);
  std::string name_a = ShortName(a.search.name());
  std::string name_b = ShortName(b.search.name());
  if (name_a == name_b) {
    // Columns of one name would overwrite each other in a program that reads the CSV.
    name_a += " (A)";
    name_b += " (B)";
  }
  Table table({"target", absl::StrCat(reward, " ", name_a), absl::StrCat(reward, " ", name_b), "difference",
               absl::StrCat(cost, " ", name_a), absl::StrCat(cost, " ", name_b)});
  for (const double target : TargetsOf(a, b)) {
    const v1::FrontierPoint* best_a = BestWithin(a.frontier, target);
    const v1::FrontierPoint* best_b = BestWithin(b.frontier, target);
    const auto cell = [](const v1::FrontierPoint* point, double value) {
      return point == nullptr ? Cell::Empty() : Cell::Value(value);
    };
    Cell difference = Cell::Empty();
    if (best_a != nullptr && best_b != nullptr) {
      difference = Cell::Value(best_b->reward() - best_a->reward());
      difference.style = best_b->reward() > best_a->reward()   ? Style::kGood
                         : best_b->reward() < best_a->reward() ? Style::kBad
                                                               : Style::kPlain;
    }
    table.AddRow({std::isfinite(target) ? Cell::Value(target) : Cell::Text("any"),
                  cell(best_a, best_a == nullptr ? 0 : best_a->reward()),
                  cell(best_b, best_b == nullptr ? 0 : best_b->reward()), difference,
                  cell(best_a, best_a == nullptr ? 0 : best_a->cost()),
                  cell(best_b, best_b == nullptr ? 0 : best_b->cost())});
  }
  return table;
}

void PrintSides(const Terminal& terminal, const Side& a, const Side& b) {
  for (const auto& [side, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    terminal.out << terminal.Shown(ShortName(side->search.name())) << ' ' << StateSentence(side->search.state()) << ", "
                 << TrainingsText(side->search.progress()) << " trainings; its frontier matches "
                 << Matched(side->frontier, other->frontier) << " of the " << other->frontier.points_size()
                 << " points of " << terminal.Shown(ShortName(other->search.name())) << '\n';
  }
}

absl::StatusOr<ExitCode> Compare(const CommandContext& context, const CompareOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto connection, Connect(context));
  LAYERNAS_ASSIGN_OR_RETURN(const Side a, Fetch(*connection, options.a));
  LAYERNAS_ASSIGN_OR_RETURN(const Side b, Fetch(*connection, options.b));
  if (RewardName(a.search) != RewardName(b.search) || CostName(a.search) != CostName(b.search)) {
    return absl::InvalidArgumentError(absl::StrCat("cannot compare the searches: one is for ", RewardName(a.search),
                                                   " and ", CostName(a.search), ", the other for ",
                                                   RewardName(b.search), " and ", CostName(b.search)));
  }
  std::ostream& out = context.terminal.out;
  switch (options.output) {
    case OutputFormat::kJson:
      out << JsonText(ToJson(a, b), 2) << '\n';
      break;
    case OutputFormat::kYaml:
      out << ToYaml(ToJson(a, b));
      break;
    case OutputFormat::kCsv:
      TargetTable(a, b).PrintCsv(out, context.terminal.IsScreen());
      break;
    case OutputFormat::kTable:
      TargetTable(a, b).Print(out, context.terminal.color);
      PrintSides(context.terminal, a, b);
      break;
  }
  return ExitCode::kOk;
}

}  // namespace

void AddCompareCommand(CLI::App& search, CommandContext& context) {
  CLI::App& command = AddCommand(
      search, "compare", "Compare the results of two searches, target by target",
      {"layernas search compare shapes10-1 shapes10-2", "layernas search compare shapes10-1 shapes10-2 -o yaml"});
  const auto options = std::make_shared<CompareOptions>();
  command.add_option("A", options->a, "First search")->required();
  command.add_option("B", options->b, "Second search")->required();
  AddOutput(command, options->output,
            {OutputFormat::kTable, OutputFormat::kJson, OutputFormat::kCsv, OutputFormat::kYaml});
  AddController(command, context);
  SetAction(command, context, [options, &context] { return Compare(context, *options); });
}

}  // namespace layernas::client
