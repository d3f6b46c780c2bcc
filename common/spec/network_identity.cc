#include "common/spec/network_identity.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "common/network/architecture.h"
#include "common/network/blocks.h"
#include "common/network/canonical.h"
#include "common/network/errors.h"
#include "common/spec/json.h"
#include "common/spec/planner.h"
#include "common/spec/resolve.h"

namespace layernas::spec {
namespace {

constexpr char kCells[] = "cells";
constexpr char kStages[] = "stages";
// Maximum operations that the largest options of all layers may have together. Limits the time for
// one identity to a few milliseconds, whatever the architecture.
constexpr std::size_t kMaxOperations = 2'500;
// The same for the whole network, whose cells are repeated. Limits the time to plan it.
constexpr std::size_t kMaxPlannedOperations = 10'000;
// An edge of a cell is at most an activation, a convolution, a normalization, a pooling and a sum.
constexpr std::size_t kMostPerEdge = 5;
// Any block but a cell: an mbconv with squeeze-and-excitation and a shortcut.
constexpr std::size_t kMostPerBlock = 16;
// Maximum bytes of the settings of one architecture, and of all options.
constexpr std::size_t kMaxBytes = 64 << 10;
constexpr std::size_t kMaxBytesOfAll = 4 << 20;

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

// Returns false if reading the settings of architectures would take too long.
bool IsSmall(const v1::Space& space) {
  std::size_t of_largest = 0;
  std::size_t of_all = 0;
  for (const v1::Layer& layer : space.layers()) {
    const std::size_t common = layer.name().size() + layer.parameters().ByteSizeLong();
    std::size_t largest = 0;
    for (const v1::Option& option : layer.options()) {
      const std::size_t bytes = common + option.name().size() + option.parameters().ByteSizeLong();
      largest = std::max(largest, bytes);
      of_all += bytes;
    }
    of_largest += largest;
  }
  return of_largest <= kMaxBytes && of_all <= kMaxBytesOfAll;
}

std::size_t MostOperations(const v1::Layer& layer, const v1::Option& option) {
  const v1::ChosenLayer chosen = Choose(layer, option);
  const auto edges = chosen.parameters().fields().find("edges");
  const int count = edges == chosen.parameters().fields().end() ? 0 : edges->second.list_value().values_size();
  return std::max(kMostPerBlock, kMostPerEdge * static_cast<std::size_t>(count));
}

// Returns a bound for all architectures of consecutive blocks, without stem and head.
std::size_t MostOperations(const v1::Space& space) {
  std::size_t sum = 0;
  for (const v1::Layer& layer : space.layers()) {
    std::size_t most = 0;
    for (const v1::Option& option : layer.options()) most = std::max(most, MostOperations(layer, option));
    sum += most;
  }
  return sum;
}

// Returns false if some architecture might take too long to compare.
bool IsQuicklyCompared(const v1::Space& space) {
  if (!IsSmall(space)) return false;
  std::size_t cells = 0;
  try {
    cells = static_cast<std::size_t>(network::CellCount(ToJson(space.network()).value_or(nullptr)));
  } catch (const network::InfeasibleError&) {
    return false;
  }
  if (cells == 0) return MostOperations(space) <= kMaxOperations;
  // The layers are the edges of one cell.
  const std::size_t cell = kMostPerEdge * static_cast<std::size_t>(space.layers_size());
  return cell <= kMaxOperations && cells * cell <= kMaxPlannedOperations;
}

}  // namespace

NetworkIdentity MakeNetworkIdentity(const v1::Space& space) {
  const bool is_cell = space.network().parameters().fields().contains(kCells);
  if (!IsQuicklyCompared(space)) return nullptr;
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
  return [planner = std::move(planner)](std::span<const std::uint16_t> choices) {
    const auto graph = planner->Plan(choices);
    return graph.ok() ? network::CanonicalForm(*graph) : std::string();
  };
}

}  // namespace layernas::spec
