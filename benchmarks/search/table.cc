#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "benchmarks/search/problem.h"
#include "common/base/random.h"

namespace layernas::bench {
namespace {

struct Row {
  std::vector<double> rewards;
  double judged = 0;
  double cost = 0;
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
  double BestJudged(double target) const override {
    double best = -std::numeric_limits<double>::infinity();
    for (const auto& [architecture, row] : rows_) {
      if (row.cost <= target) best = std::max(best, row.judged);
    }
    return best;
  }
  double BestExpectedReward(double target) const override {
    double best = -std::numeric_limits<double>::infinity();
    for (const auto& [architecture, row] : rows_) {
      if (row.cost <= target) best = std::max(best, Mean(row));
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

// Gives the space its costs per layer if they explain every row exactly.
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

}  // namespace

absl::StatusOr<std::unique_ptr<Problem>> LoadTable(const TableOptions& options) {
  std::ifstream in(options.file);
  if (!in) return absl::NotFoundError(absl::StrCat(options.file, ": can't be read"));
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> header = absl::StrSplit(line, ',');
  const auto column = [&](const std::string& name) -> absl::StatusOr<std::size_t> {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.file, ": there is no column ", name, "; there are ", line));
    }
    return static_cast<std::size_t>(found - header.begin());
  };
  const auto architecture_at = column(options.architecture_column);
  const auto judge_at = column(options.judge_column);
  const auto cost_at = column(options.cost_column);
  std::vector<std::size_t> rewards_at;
  for (const std::string& name : options.reward_columns) {
    const auto at = column(name);
    if (!at.ok()) return at.status();
    rewards_at.push_back(*at);
  }
  for (const auto* at : {&architecture_at, &judge_at, &cost_at}) {
    if (!at->ok()) return at->status();
  }

  std::vector<std::pair<std::string, Row>> parsed;
  for (int number = 2; std::getline(in, line); ++number) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (cells.size() != header.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.file, ":", number, ": has ", cells.size(), " cells, not ", header.size()));
    }
    try {
      auto& [name, row] = parsed.emplace_back();
      name = cells[*architecture_at];
      row.judged = std::stod(cells[*judge_at]);
      row.cost = std::stod(cells[*cost_at]);
      for (const std::size_t at : rewards_at) row.rewards.push_back(std::stod(cells[at]));
    } catch (const std::exception&) {
      return absl::InvalidArgumentError(absl::StrCat(options.file, ":", number, ": a number is needed"));
    }
  }
  if (parsed.empty()) return absl::InvalidArgumentError(absl::StrCat(options.file, ": has no rows"));

  std::vector<std::set<char>> characters(parsed.front().first.size());
  for (const auto& [name, row] : parsed) {
    if (name.size() != characters.size()) {
      return absl::InvalidArgumentError(absl::StrCat(options.file, ": architectures differ in length: ", name));
    }
    for (std::size_t i = 0; i < name.size(); ++i) characters[i].insert(name[i]);
  }
  core::Space space;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    core::Layer& layer = space.layers.emplace_back();
    layer.name = absl::StrCat("layer", i + 1);
    layer.option_count = static_cast<core::OptionIndex>(characters[i].size());
    layer.default_option = static_cast<core::OptionIndex>(layer.option_count - 1);
    for (const char character : characters[i]) layer.option_names.emplace_back(1, character);
  }
  std::unordered_map<core::Architecture, Row, core::ArchitectureHash> rows;
  for (auto& [name, row] : parsed) {
    core::Architecture architecture;
    for (std::size_t i = 0; i < name.size(); ++i) {
      architecture.push_back(
          static_cast<core::OptionIndex>(std::distance(characters[i].begin(), characters[i].find(name[i]))));
    }
    rows.emplace(std::move(architecture), std::move(row));
  }
  if (static_cast<double>(rows.size()) != space.Size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.file, ": holds ", rows.size(), " architectures, not all ", space.Size(), " of the space"));
  }
  DeriveLayerCosts(rows, space);
  return std::make_unique<TableProblem>(std::move(space), std::move(rows));
}

}  // namespace layernas::bench
