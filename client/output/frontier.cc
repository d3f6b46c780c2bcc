#include "client/output/frontier.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/output/search_text.h"
#include "client/output/units.h"

namespace layernas::client {
namespace {

// Returns whether a metric describes the measurement instead of the architecture
// (docs/measuring.md). Text output omits such metrics.
bool IsOfMeasurement(const std::string& metric) {
  constexpr std::string_view kOfMeasurement[] = {"latency_spread", "latency_runs", "latency_ratio_interval",
                                                 "latency_reference_ms"};
  return metric.starts_with("machine_") ||
         std::find(std::begin(kOfMeasurement), std::end(kOfMeasurement), metric) != std::end(kOfMeasurement);
}

std::vector<Cell> PointCells(const v1::Search& search, const v1::FrontierPoint& point) {
  std::vector<Cell> cells = {Cell::Value(point.cost()), Cell::Value(point.reward()),
                             Cell::Text(point.architecture().id()), Cell::Text(ShortName(point.candidate()))};
  if (!search.spec().has_finalists()) return cells;
  Cell trainings = Cell::Text(std::to_string(point.trainings()));
  trainings.align_right = true;
  cells.push_back(std::move(trainings));
  cells.push_back(point.trainings() > 1 ? Cell::Value(point.reward_deviation()) : Cell::Empty());
  return cells;
}

std::vector<std::string> Titles(const v1::Search& search, const char* first, const ResultColumns& columns) {
  ColumnNames names({first, "architecture", "candidate", "trainings"});
  // Cost and reward are metrics too, and can have the name of another column.
  std::vector<std::string> titles = {first, names.AddMetric(CostName(search)), names.AddMetric(RewardName(search)),
                                     "architecture", "candidate"};
  if (search.spec().has_finalists()) {
    titles.push_back("trainings");
    titles.push_back(names.AddMetric(absl::StrCat(RewardName(search), "_deviation")));
  }
  columns.AddTitles(names, titles);
  return titles;
}

}  // namespace

ResultColumns::ResultColumns(const v1::Search& search, std::vector<std::string> metrics, bool layers)
    : metrics_(std::move(metrics)) {
  if (!layers) return;
  for (const v1::Layer& layer : search.spec().space().layers()) layers_.push_back(layer.name());
}

void ResultColumns::AddTitles(ColumnNames& names, std::vector<std::string>& titles) const {
  for (const std::string& metric : metrics_) titles.push_back(names.AddMetric(metric));
  for (const std::string& layer : layers_) titles.push_back(names.AddLayer(layer));
}

void ResultColumns::AddCells(const google::protobuf::Map<std::string, double>& metrics,
                             const v1::Architecture& architecture, std::vector<Cell>& cells) const {
  for (const std::string& name : metrics_) {
    const auto metric = metrics.find(name);
    cells.push_back(metric == metrics.end() ? Cell::Empty() : Cell::Value(metric->second));
    // A rounded hash is useless.
    if (name == "machine_fingerprint" || name == "data_checksum") cells.back().human = cells.back().exact;
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const bool known = static_cast<int>(i) < architecture.layers_size();
    cells.push_back(known ? Cell::Text(architecture.layers(static_cast<int>(i)).option()) : Cell::Empty());
  }
}

void PrintWinners(std::ostream& out, bool color, const v1::Search& search) {
  if (search.winners().empty()) {
    const bool over = search.state() == v1::SEARCH_STATE_SUCCEEDED;
    if (over && search.spec().has_final()) out << "\nno winner was trained in full: no target is met\n";
    return;
  }
  out << "\nwinners, trained in full\n";
  Table winners(
      {"candidate", "architecture", "trainings", RewardName(search), "deviation", CostName(search), "weights"});
  for (const v1::Winner& winner : search.winners()) {
    const bool known = winner.succeeded() > 0;
    winners.AddRow({Cell::Text(winner.candidate().substr(winner.candidate().rfind('/') + 1)),
                    Cell::Text(winner.architecture().id()),
                    Cell::Text(absl::StrCat(winner.succeeded(), "/", winner.trainings())),
                    known ? Cell::Value(winner.reward()) : Cell::Empty(),
                    winner.succeeded() > 1 ? Cell::Value(winner.reward_deviation()) : Cell::Empty(),
                    known ? Cell::Value(winner.cost()) : Cell::Empty(),
                    winner.weights().empty() ? Cell::Empty() : Cell::Text(winner.weights(0).path())});
  }
  winners.Print(out, color);
}

void PrintFrontier(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                   bool layers) {
  std::set<std::string> metrics = MetricsBesides(search, frontier.points());
  std::erase_if(metrics, IsOfMeasurement);
  const ResultColumns columns(search, {metrics.begin(), metrics.end()}, layers);
  std::ostream& out = terminal.out;
  if (frontier.points().empty()) {
    out << (IsFinal(search.state()) ? "no results\n" : "no results yet\n");
    return;
  }
  Table best(Titles(search, "target", columns));
  std::string unmet;
  for (const v1::TargetBest& target : frontier.best()) {
    if (!target.has_best()) {
      absl::StrAppend(&unmet, BestText(search, target), "\n");
      continue;
    }
    std::vector<Cell> cells = PointCells(search, target.best());
    cells.insert(cells.begin(), Cell::Value(target.target()));
    columns.AddCells(target.best().metrics(), target.best().architecture(), cells);
    best.AddRow(std::move(cells));
  }
  if (!frontier.best().empty()) {
    out << "best per target\n";
    if (!best.empty()) best.Print(out, terminal.color);
    out << unmet << "\nfrontier\n";
  }
  std::vector<std::string> titles = Titles(search, "", columns);
  titles.erase(titles.begin());
  Table points(std::move(titles));
  for (const v1::FrontierPoint& point : frontier.points()) {
    std::vector<Cell> cells = PointCells(search, point);
    columns.AddCells(point.metrics(), point.architecture(), cells);
    points.AddRow(std::move(cells));
  }
  points.Print(out, terminal.color);
  PrintWinners(out, terminal.color, search);
}

void PrintFrontierCsv(const Terminal& terminal, const v1::Search& search, const v1::GetFrontierResponse& frontier,
                      bool layers) {
  const std::set<std::string> metrics = MetricsBesides(search, frontier.points());
  const ResultColumns columns(search, {metrics.begin(), metrics.end()}, layers);
  std::map<std::string, std::string> best_for;
  for (const v1::TargetBest& target : frontier.best()) {
    if (!target.has_best()) continue;
    std::string& targets = best_for[target.best().candidate()];
    absl::StrAppend(&targets, targets.empty() ? "" : " ", FormatExact(target.target()));
  }
  Table points(Titles(search, "best_for_targets", columns));
  for (const v1::FrontierPoint& point : frontier.points()) {
    std::vector<Cell> cells = PointCells(search, point);
    const auto targets = best_for.find(point.candidate());
    cells.insert(cells.begin(), targets == best_for.end() ? Cell::Empty() : Cell::Text(targets->second));
    columns.AddCells(point.metrics(), point.architecture(), cells);
    points.AddRow(std::move(cells));
  }
  points.PrintCsv(terminal.out, terminal.IsScreen());
}

}  // namespace layernas::client
