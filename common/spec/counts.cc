#include "common/spec/counts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/status_macros.h"
#include "common/network/architecture.h"
#include "common/network/errors.h"
#include "common/spec/json.h"
#include "common/spec/resolve.h"

namespace layernas::spec {
namespace {

using network::Graph;
using network::Shape;
using nlohmann::json;

// What each layer of the graph hands on.
std::vector<Shape> HandedOn(const Graph& graph) {
  std::vector<Shape> shapes(graph.layers.size(), graph.input);
  std::size_t op = 0;
  Shape shape = graph.input;
  for (std::size_t layer = 0; layer < shapes.size(); ++layer) {
    for (; op < graph.ops.size() && graph.ops[op].layer == static_cast<int>(layer); ++op) shape = graph.ops[op].output;
    shapes[layer] = shape;
  }
  return shapes;
}

}  // namespace

bool IsCounted(std::string_view metric) { return metric == "params" || metric == "multiply_adds"; }

double CountOf(const network::Counts& counts, std::string_view metric) {
  return static_cast<double>(metric == "params" ? counts.params : counts.multiply_adds);
}

struct ArchitectureCounter::Parts {
  json network;
  // By layer and option.
  std::vector<std::vector<json>> options;
  Choices defaults;
  std::vector<std::string> layers;

  absl::StatusOr<Graph> Plan(std::span<const std::uint16_t> choices) const {
    json chosen = json::array();
    for (std::size_t layer = 0; layer < choices.size(); ++layer) chosen.push_back(options[layer][choices[layer]]);
    try {
      return network::PlanNetwork({{"layers", std::move(chosen)}}, network);
    } catch (const network::InfeasibleError& error) {
      return absl::InvalidArgumentError(error.what());
    }
  }
};

ArchitectureCounter::ArchitectureCounter(const v1::Space& space) {
  auto parts = std::make_unique<Parts>();
  // What can't be written, for a number is not finite, is null, and refused by name.
  parts->network = ToJson(space.network()).value_or(nullptr);
  for (const v1::Layer& layer : space.layers()) {
    std::vector<json>& options = parts->options.emplace_back();
    for (const v1::Option& option : layer.options()) options.push_back(ToJson(Choose(layer, option)).value_or(nullptr));
    parts->layers.push_back(layer.name());
  }
  parts->defaults = DefaultChoices(space);
  parts_ = std::move(parts);
}

ArchitectureCounter::~ArchitectureCounter() = default;
ArchitectureCounter::ArchitectureCounter(ArchitectureCounter&&) noexcept = default;

absl::StatusOr<network::Counts> ArchitectureCounter::Count(std::span<const std::uint16_t> choices) const {
  LAYERNAS_ASSIGN_OR_RETURN(const Graph graph, parts_->Plan(choices));
  return network::CountNetwork(graph);
}

absl::StatusOr<ArchitectureCounter::PerLayer> ArchitectureCounter::CountPerLayer(std::string_view metric) const {
  LAYERNAS_ASSIGN_OR_RETURN(const Graph standing, parts_->Plan(parts_->defaults));
  // Each option is counted within a whole architecture; a spec must not keep the controller busy for long.
  constexpr std::size_t kMostWork = 1'000'000;
  std::size_t all_options = 0;
  for (const std::vector<json>& options : parts_->options) all_options += options.size();
  if (standing.ops.size() * all_options > kMostWork) {
    return absl::InvalidArgumentError("is for smaller spaces: " + std::to_string(standing.ops.size()) +
                                      " operations times " + std::to_string(all_options) + " options are more than " +
                                      std::to_string(kMostWork));
  }
  const std::vector<Shape> handed_on = HandedOn(standing);
  const double whole = CountOf(network::CountNetwork(standing), metric);
  PerLayer result;
  result.base = whole;
  for (std::size_t layer = 0; layer < parts_->options.size(); ++layer) {
    Choices choices = parts_->defaults;
    std::vector<double>& costs = result.costs.emplace_back();
    for (std::size_t option = 0; option < parts_->options[layer].size(); ++option) {
      choices[layer] = static_cast<std::uint16_t>(option);
      LAYERNAS_ASSIGN_OR_RETURN(const Graph graph, parts_->Plan(choices));
      if (HandedOn(graph) != handed_on) {
        return absl::FailedPreconditionError("the options of layer \"" + parts_->layers[layer] +
                                             "\" differ in what they hand on (channels or size), so that what the "
                                             "layers after it cost depends on them");
      }
      costs.push_back(CountOf(network::CountNetwork(graph), metric) - whole);
    }
    const double least = *std::min_element(costs.begin(), costs.end());
    for (double& cost : costs) cost -= least;
    result.base += least;
  }
  return result;
}

}  // namespace layernas::spec
