#include "common/spec/counts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "common/base/status_macros.h"
#include "common/network/architecture.h"
#include "common/network/errors.h"
#include "common/spec/json.h"
#include "common/spec/planner.h"
#include "common/spec/resolve.h"

namespace layernas::spec {
namespace {

using network::Graph;
using network::Shape;
using nlohmann::json;

// Returns the output shapes of the layers of the graph.
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

json OptionJson(const v1::Layer& layer, const v1::Option& option) {
  // An option with a number that is not finite becomes null, and the planner rejects it by name.
  return ToJson(Choose(layer, option)).value_or(nullptr);
}

// Limits the time that a spec can cost the controller. Each option is read together with the
// parameters of its layer.
absl::Status CheckSize(const v1::Space& space) {
  constexpr std::size_t kMaxBytes = 4 << 20;
  std::size_t bytes = 0;
  for (const v1::Layer& layer : space.layers()) {
    const std::size_t common = layer.parameters().ByteSizeLong();
    for (const v1::Option& option : layer.options()) bytes += common + option.ByteSizeLong();
  }
  if (bytes <= kMaxBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "supports only smaller spaces: the options with the parameters of their layers have " + std::to_string(bytes) +
      " bytes, more than the maximum of " + std::to_string(kMaxBytes));
}

// Plans an architecture with the given choice for each layer.
Graph PlanChoices(const v1::Space& space, const json& network, std::span<const std::uint16_t> choices) {
  json chosen = json::array();
  for (int layer = 0; layer < space.layers_size(); ++layer) {
    chosen.push_back(OptionJson(space.layers(layer), space.layers(layer).options(choices[layer])));
  }
  return network::PlanNetwork({{"layers", std::move(chosen)}}, network);
}

absl::Status DependsOnOthers(const v1::Layer& layer) {
  return absl::FailedPreconditionError("the options of layer \"" + layer.name() +
                                       "\" have different output shapes (channels or size), so the cost of later "
                                       "layers depends on the choice");
}

// Computes the result from the counts of the options, by layer, and the count of the architecture
// with the chosen options.
PerLayerCounts FromCounts(std::vector<std::vector<double>> counts, const Choices& chosen, double whole) {
  PerLayerCounts result{whole, std::move(counts)};
  for (std::size_t layer = 0; layer < result.costs.size(); ++layer) {
    std::vector<double>& costs = result.costs[layer];
    const double least = *std::min_element(costs.begin(), costs.end());
    result.base += least - costs[chosen[layer]];
    for (double& cost : costs) cost -= least;
  }
  return result;
}

// The layers are the edges of a cell that occurs in many places, so each option is counted within a
// whole architecture.
absl::StatusOr<PerLayerCounts> CountEdges(const v1::Space& space, const json& network, int cells,
                                          std::string_view metric) {
  constexpr std::size_t kMaxWork = 1'000'000;
  std::size_t all_options = 0;
  for (const v1::Layer& layer : space.layers()) all_options += static_cast<std::size_t>(layer.options_size());
  const std::size_t edges = static_cast<std::size_t>(cells) * static_cast<std::size_t>(space.layers_size());
  if (edges * all_options > kMaxWork) {
    return absl::InvalidArgumentError("supports only smaller spaces: " + std::to_string(edges) + " edges times " +
                                      std::to_string(all_options) + " options are more than the maximum of " +
                                      std::to_string(kMaxWork));
  }
  const Choices defaults = DefaultChoices(space);
  const Graph standing = PlanChoices(space, network, defaults);
  const std::vector<Shape> handed_on = HandedOn(standing);
  std::vector<std::vector<double>> counts;
  for (int layer = 0; layer < space.layers_size(); ++layer) {
    Choices choices = defaults;
    std::vector<double>& of_layer = counts.emplace_back();
    for (int option = 0; option < space.layers(layer).options_size(); ++option) {
      choices[static_cast<std::size_t>(layer)] = static_cast<std::uint16_t>(option);
      const Graph graph = PlanChoices(space, network, choices);
      if (HandedOn(graph) != handed_on) return DependsOnOthers(space.layers(layer));
      of_layer.push_back(CountOf(network::CountNetwork(graph), metric));
    }
  }
  return FromCounts(std::move(counts), defaults, CountOf(network::CountNetwork(standing), metric));
}

// Plans the parts that the first layer determines: itself and the stem, which may have its
// channels.
Graph PlanFirst(const json& layer, const json& network) {
  Graph graph = network::PlanNetwork({{"layers", json::array({layer})}}, network);
  std::erase_if(graph.ops, [](const network::Op& op) { return op.layer > 1; });
  graph.layers.resize(2);
  return graph;
}

// The layers are consecutive blocks. All options of a layer have the same input, so each is counted
// on its own.
absl::StatusOr<PerLayerCounts> CountBlocks(const v1::Space& space, const json& network, std::string_view metric) {
  const Choices defaults = DefaultChoices(space);
  const Graph standing = PlanChoices(space, network, defaults);
  // The stem comes first.
  const std::vector<Shape> handed_on = HandedOn(standing);
  std::vector<std::vector<double>> counts;
  for (int i = 0; i < space.layers_size(); ++i) {
    const auto layer = static_cast<std::size_t>(i);
    std::vector<double>& of_layer = counts.emplace_back();
    for (const v1::Option& option : space.layers(i).options()) {
      const json chosen = OptionJson(space.layers(i), option);
      const Graph graph = i == 0 ? PlanFirst(chosen, network) : network::PlanLayer(chosen, layer, handed_on[layer]);
      const std::vector<Shape> own = HandedOn(graph);
      if (own.back() != handed_on[layer + 1] || (i == 0 && own.front() != handed_on.front())) {
        return DependsOnOthers(space.layers(i));
      }
      of_layer.push_back(CountOf(network::CountNetwork(graph), metric));
    }
  }
  return FromCounts(std::move(counts), defaults, CountOf(network::CountNetwork(standing), metric));
}

}  // namespace

bool IsCounted(std::string_view metric) { return metric == "params" || metric == "multiply_adds"; }

double CountOf(const network::Counts& counts, std::string_view metric) {
  return static_cast<double>(metric == "params" ? counts.params : counts.multiply_adds);
}

struct ArchitectureCounter::Parts {
  explicit Parts(const v1::Space& space) : planner(space) {}

  ArchitecturePlanner planner;
};

ArchitectureCounter::ArchitectureCounter(const v1::Space& space) : parts_(std::make_unique<const Parts>(space)) {}

ArchitectureCounter::~ArchitectureCounter() = default;
ArchitectureCounter::ArchitectureCounter(ArchitectureCounter&&) noexcept = default;

absl::StatusOr<network::Counts> ArchitectureCounter::Count(std::span<const std::uint16_t> choices) const {
  LAYERNAS_ASSIGN_OR_RETURN(const Graph graph, parts_->planner.Plan(choices));
  try {
    return network::CountNetwork(graph);
  } catch (const network::InfeasibleError& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

absl::StatusOr<PerLayerCounts> CountPerLayer(const v1::Space& space, std::string_view metric) {
  LAYERNAS_RETURN_IF_ERROR(CheckSize(space));
  const json network = ToJson(space.network()).value_or(nullptr);
  try {
    const int cells = network::CellCount(network);
    if (cells > 0) return CountEdges(space, network, cells, metric);
    return CountBlocks(space, network, metric);
  } catch (const network::InfeasibleError& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

}  // namespace layernas::spec
