#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <set>
#include <unordered_map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "benchmarks/search/problem.h"
#include "common/base/cost_limit.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"

namespace layernas::bench {
namespace {

struct Row {
  std::vector<double> rewards;
  double judged = 0;
  double cost = 0;
  std::vector<float> curve;
};

class TableProblem final : public Problem {
 public:
  TableProblem(core::Space space, std::unordered_map<core::Architecture, Row, core::ArchitectureHash> rows)
      : space_(std::move(space)), rows_(std::move(rows)) {}

  const core::Space& space() const override { return space_; }
  double Reward(const core::Architecture& architecture, std::uint64_t seed) const override {
    const Row& row = rows_.at(architecture);
    return row.rewards[RandomStream({seed, core::Fingerprint(architecture)}).Below(row.rewards.size())];
  }
  double ExpectedReward(const core::Architecture& architecture) const override { return Mean(rows_.at(architecture)); }
  double Judged(const core::Architecture& architecture) const override { return rows_.at(architecture).judged; }
  double Cost(const core::Architecture& architecture) const override { return rows_.at(architecture).cost; }
  std::span<const float> Curve(const core::Architecture& architecture) const override {
    return rows_.at(architecture).curve;
  }
  double BestJudged(double target) const override {
    double best = -std::numeric_limits<double>::infinity();
    for (const auto& [architecture, row] : rows_) {
      if (MeetsLimit(row.cost, target)) best = std::max(best, row.judged);
    }
    return best;
  }
  double BestExpectedReward(double target) const override {
    double best = -std::numeric_limits<double>::infinity();
    for (const auto& [architecture, row] : rows_) {
      if (MeetsLimit(row.cost, target)) best = std::max(best, Mean(row));
    }
    return best;
  }
  std::vector<std::pair<double, double>> TrueFrontier() const override {
    std::vector<std::pair<double, double>> all;
    for (const auto& [architecture, row] : rows_) all.emplace_back(row.cost, -row.judged);
    std::sort(all.begin(), all.end());
    std::vector<std::pair<double, double>> frontier;
    for (const auto& [cost, negated] : all) {
      if (frontier.empty() || -negated > frontier.back().second) frontier.emplace_back(cost, -negated);
    }
    return frontier;
  }

 private:
  static double Mean(const Row& row) {
    double sum = 0;
    for (const double reward : row.rewards) sum += reward;
    return sum / static_cast<double>(row.rewards.size());
  }

  core::Space space_;
  std::unordered_map<core::Architecture, Row, core::ArchitectureHash> rows_;
};

// Sets costs per layer in the space if they explain every row exactly.
void DeriveLayerCosts(const std::unordered_map<core::Architecture, Row, core::ArchitectureHash>& rows,
                      core::Space& space) {
  const core::Architecture first(space.layers.size(), 0);
  const auto base = rows.find(first);
  if (base == rows.end()) return;
  core::Space costed = space;
  for (std::size_t i = 0; i < space.layers.size(); ++i) {
    for (core::OptionIndex option = 0; option < space.layers[i].option_count; ++option) {
      core::Architecture changed = first;
      changed[i] = option;
      const auto row = rows.find(changed);
      if (row == rows.end()) return;
      costed.layers[i].costs.push_back(row->second.cost - base->second.cost);
    }
  }
  costed.base_cost = base->second.cost;
  for (const auto& [architecture, row] : rows) {
    if (std::abs(costed.Cost(architecture) - row.cost) > 1e-9 * std::abs(row.cost)) return;
  }
  space = std::move(costed);
}

struct NamedRow {
  std::string name;
  // Line in the file, from 1.
  int line = 0;
  Row row;
};

absl::Status At(const std::string& file, int line, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", absl::string_view(what.data(), what.size())));
}

// Reads a line without the end of a DOS line.
bool ReadLine(std::istream& in, std::string& line) {
  if (!std::getline(in, line)) return false;
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

absl::StatusOr<std::vector<NamedRow>> ReadRows(const TableOptions& options) {
  std::ifstream in(options.file);
  std::string line;
  if (!in || !ReadLine(in, line))
    return absl::NotFoundError(absl::StrCat(options.file, ": cannot be read or is empty"));
  const std::vector<std::string> header = absl::StrSplit(line, ',');
  const auto column = [&](const std::string& name) -> absl::StatusOr<std::size_t> {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end()) {
      return At(options.file, 1, absl::StrCat("has no column \"", name, "\"; the columns are ", line));
    }
    return static_cast<std::size_t>(found - header.begin());
  };
  if (options.reward_columns.empty()) return absl::InvalidArgumentError("at least one reward column is required");
  LAYERNAS_ASSIGN_OR_RETURN(const std::size_t architecture_at, column(options.architecture_column));
  std::vector<std::size_t> numbers_at;
  for (const std::string& name : options.reward_columns) {
    LAYERNAS_ASSIGN_OR_RETURN(numbers_at.emplace_back(), column(name));
  }
  for (const std::string& name : options.curve_columns) {
    LAYERNAS_ASSIGN_OR_RETURN(numbers_at.emplace_back(), column(name));
  }
  LAYERNAS_ASSIGN_OR_RETURN(numbers_at.emplace_back(), column(options.judge_column));
  LAYERNAS_ASSIGN_OR_RETURN(numbers_at.emplace_back(), column(options.cost_column));

  std::vector<NamedRow> rows;
  for (int number = 2; ReadLine(in, line); ++number) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (cells.size() != header.size()) {
      return At(options.file, number, absl::StrCat("has ", cells.size(), " cells, not ", header.size()));
    }
    std::vector<double> numbers;
    for (const std::size_t at : numbers_at) {
      if (!absl::SimpleAtod(cells[at], &numbers.emplace_back()) || !std::isfinite(numbers.back())) {
        return At(options.file, number, absl::StrCat("column ", header[at], ": \"", cells[at], "\" is not a number"));
      }
    }
    NamedRow& row = rows.emplace_back(NamedRow{cells[architecture_at], number, {}});
    if (row.name.empty() || row.name.size() != rows.front().name.size()) {
      return At(options.file, number,
                absl::StrCat("architecture \"", row.name, "\" has ", row.name.size(), " layers, not ",
                             std::max<std::size_t>(rows.front().name.size(), 1)));
    }
    row.row.cost = numbers.back();
    numbers.pop_back();
    row.row.judged = numbers.back();
    numbers.pop_back();
    const auto curve = numbers.begin() + static_cast<std::ptrdiff_t>(options.reward_columns.size());
    row.row.curve.assign(curve, numbers.end());
    numbers.erase(curve, numbers.end());
    row.row.rewards = std::move(numbers);
  }
  if (rows.empty()) return absl::InvalidArgumentError(absl::StrCat(options.file, ": has no rows"));
  return rows;
}

// The options of a layer are the characters that occur at its position, in their order.
absl::StatusOr<core::Space> SpaceOf(const std::vector<NamedRow>& rows, const TableOptions& options) {
  std::vector<std::set<char>> characters(rows.front().name.size());
  for (const NamedRow& row : rows) {
    for (std::size_t i = 0; i < row.name.size(); ++i) characters[i].insert(row.name[i]);
  }
  const std::vector<int>& wanted = options.options_per_layer;
  if (!wanted.empty() && wanted.size() != characters.size()) {
    return absl::InvalidArgumentError(absl::StrCat(options.file, ": column ", options.architecture_column, " has ",
                                                   characters.size(), " layers, not the ", wanted.size(),
                                                   " of --options-per-layer"));
  }
  core::Space space;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    core::Layer& layer = space.layers.emplace_back();
    layer.name = absl::StrCat("layer", i + 1);
    layer.option_count = static_cast<core::OptionIndex>(characters[i].size());
    layer.default_option = static_cast<core::OptionIndex>(layer.option_count - 1);
    for (const char character : characters[i]) layer.option_names.emplace_back(1, character);
    if (!wanted.empty() && wanted[i] != layer.option_count) {
      return absl::InvalidArgumentError(absl::StrCat(options.file, ": ", layer.name, " has ", layer.option_count,
                                                     " options (", absl::StrJoin(layer.option_names, " "),
                                                     "), not the ", wanted[i], " of --options-per-layer"));
    }
  }
  return space;
}

// Returns the first architecture without a row, in the order of its options. Requires that one
// exists.
std::string FirstMissing(const core::Space& space,
                         const std::unordered_map<core::Architecture, Row, core::ArchitectureHash>& rows) {
  core::Architecture architecture(space.layers.size(), 0);
  while (rows.contains(architecture)) {
    std::size_t layer = architecture.size();
    while (layer-- > 0 && ++architecture[layer] == space.layers[layer].option_count) architecture[layer] = 0;
  }
  std::string name;
  for (std::size_t i = 0; i < architecture.size(); ++i) name += space.layers[i].option_names[architecture[i]];
  return name;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Problem>> LoadTable(const TableOptions& options) {
  LAYERNAS_ASSIGN_OR_RETURN(std::vector<NamedRow> named, ReadRows(options));
  LAYERNAS_ASSIGN_OR_RETURN(core::Space space, SpaceOf(named, options));
  std::unordered_map<core::Architecture, Row, core::ArchitectureHash> rows;
  std::unordered_map<std::string, int> lines;
  for (NamedRow& row : named) {
    const auto [first, is_new] = lines.emplace(row.name, row.line);
    if (!is_new) {
      return At(options.file, row.line, absl::StrCat("architecture ", row.name, " is already in line ", first->second));
    }
    core::Architecture architecture;
    for (std::size_t i = 0; i < row.name.size(); ++i) {
      const auto& names = space.layers[i].option_names;
      architecture.push_back(static_cast<core::OptionIndex>(
          std::find(names.begin(), names.end(), std::string(1, row.name[i])) - names.begin()));
    }
    rows.emplace(std::move(architecture), std::move(row.row));
  }
  if (static_cast<double>(rows.size()) != space.Size()) {
    return absl::InvalidArgumentError(absl::StrCat(options.file, ": holds ", rows.size(), " architectures, not all ",
                                                   space.Size(), " of the space: the first one missing is ",
                                                   FirstMissing(space, rows)));
  }
  DeriveLayerCosts(rows, space);
  return std::make_unique<TableProblem>(std::move(space), std::move(rows));
}

}  // namespace layernas::bench
