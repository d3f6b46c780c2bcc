#include "common/spec/counts.h"

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"
#include "common/spec/planner.h"
#include "common/spec/resolve.h"

namespace layernas::spec {
namespace {

using network::Graph;
using network::Shape;

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
  explicit Parts(const v1::Space& space) : planner(space), defaults(DefaultChoices(space)) {
    for (const v1::Layer& layer : space.layers()) layers.push_back(layer.name());
  }

  ArchitecturePlanner planner;
  Choices defaults;
  std::vector<std::string> layers;
};

ArchitectureCounter::ArchitectureCounter(const v1::Space& space) : parts_(std::make_unique<const Parts>(space)) {}

ArchitectureCounter::~ArchitectureCounter() = default;
ArchitectureCounter::ArchitectureCounter(ArchitectureCounter&&) noexcept = default;

absl::StatusOr<network::Counts> ArchitectureCounter::Count(std::span<const std::uint16_t> choices) const {
  LAYERNAS_ASSIGN_OR_RETURN(const Graph graph, parts_->planner.Plan(choices));
  return network::CountNetwork(graph);
}

absl::StatusOr<ArchitectureCounter::PerLayer> ArchitectureCounter::CountPerLayer(std::string_view metric) const {
  LAYERNAS_ASSIGN_OR_RETURN(const Graph standing, parts_->planner.Plan(parts_->defaults));
  // Each option is counted within a whole architecture; a spec must not keep the controller busy for long.
  constexpr std::size_t kMostWork = 1'000'000;
  std::size_t all_options = 0;
  for (const auto& options : parts_->planner.options()) all_options += options.size();
  if (standing.ops.size() * all_options > kMostWork) {
    return absl::InvalidArgumentError("is for smaller spaces: " + std::to_string(standing.ops.size()) +
                                      " operations times " + std::to_string(all_options) + " options are more than " +
                                      std::to_string(kMostWork));
  }
  const std::vector<Shape> handed_on = HandedOn(standing);
  const double whole = CountOf(network::CountNetwork(standing), metric);
  PerLayer result;
  result.base = whole;
  for (std::size_t layer = 0; layer < parts_->planner.options().size(); ++layer) {
    Choices choices = parts_->defaults;
    std::vector<double>& costs = result.costs.emplace_back();
    for (std::size_t option = 0; option < parts_->planner.options()[layer].size(); ++option) {
      choices[layer] = static_cast<std::uint16_t>(option);
      LAYERNAS_ASSIGN_OR_RETURN(const Graph graph, parts_->planner.Plan(choices));
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
