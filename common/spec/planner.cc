#include "common/spec/planner.h"

#include <utility>

#include "common/network/architecture.h"
#include "common/network/errors.h"
#include "common/spec/json.h"
#include "common/spec/resolve.h"

namespace layernas::spec {

using nlohmann::json;

ArchitecturePlanner::ArchitecturePlanner(const v1::Space& space) {
  // JSON has no number that is not finite. PlanNetwork() gets null and rejects it by name.
  network_ = ToJson(space.network()).value_or(nullptr);
  for (const v1::Layer& layer : space.layers()) {
    std::vector<json>& options = options_.emplace_back();
    for (const v1::Option& option : layer.options()) options.push_back(ToJson(Choose(layer, option)).value_or(nullptr));
  }
}

absl::StatusOr<network::Graph> ArchitecturePlanner::Plan(std::span<const std::uint16_t> choices) const {
  json chosen = json::array();
  for (std::size_t layer = 0; layer < choices.size(); ++layer) chosen.push_back(options_[layer][choices[layer]]);
  try {
    return network::PlanNetwork({{"layers", std::move(chosen)}}, network_);
  } catch (const network::InfeasibleError& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

}  // namespace layernas::spec
