#include "common/spec/network_identity.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "common/network/blocks.h"
#include "common/network/canonical.h"
#include "common/network/errors.h"
#include "common/spec/planner.h"
#include "common/spec/resolve.h"

namespace layernas::spec {
namespace {

constexpr char kCells[] = "cells";
constexpr char kStages[] = "stages";
// Maximum operations of the default architecture. Limits the time for one identity to a few
// milliseconds.
constexpr std::size_t kMaxOperations = 2'000;

bool IsCell(const v1::Layer& layer, const v1::Option& option) {
  const v1::ChosenLayer chosen = Choose(layer, option);
  const auto& parameters = chosen.parameters().fields();
  if (const auto block = parameters.find("block"); block != parameters.end()) {
    return block->second.string_value() == "cell";
  }
  try {
    return network::ParseOptionName(option.name()).block == "cell";
  } catch (const network::InfeasibleError&) {
    return false;
  }
}

bool HasCellBlocks(const v1::Space& space) {
  return std::any_of(space.layers().begin(), space.layers().end(), [](const v1::Layer& layer) {
    return std::any_of(layer.options().begin(), layer.options().end(),
                       [&](const v1::Option& option) { return IsCell(layer, option); });
  });
}

}  // namespace

NetworkIdentity MakeNetworkIdentity(const v1::Space& space) {
  const bool is_cell = space.network().parameters().fields().contains(kCells);
  if (!is_cell && !HasCellBlocks(space)) return nullptr;
  if (!ArchitecturePlanner(space).Plan(DefaultChoices(space)).ok()) return nullptr;
  v1::Space planned = space;
  if (is_cell) {
    // All cells of a network are identical, so comparing one is enough.
    auto& parameters = *planned.mutable_network()->mutable_parameters()->mutable_fields();
    // 0 means no cells.
    if (parameters[kCells].number_value() > 0) {
      parameters[kCells].set_number_value(1);
      parameters[kStages].set_number_value(1);
    }
  }
  auto planner = std::make_shared<const ArchitecturePlanner>(planned);
  const auto standing = planner->Plan(DefaultChoices(planned));
  if (!standing.ok() || standing->ops.size() > kMaxOperations) return nullptr;
  return [planner = std::move(planner)](std::span<const std::uint16_t> choices) {
    const auto graph = planner->Plan(choices);
    return graph.ok() ? network::CanonicalForm(*graph) : std::string();
  };
}

}  // namespace layernas::spec
