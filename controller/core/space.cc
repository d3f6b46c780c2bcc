#include "controller/core/space.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace layernas::core {

std::size_t ArchitectureHash::operator()(const Architecture& architecture) const {
  return std::hash<std::string_view>()(
      {reinterpret_cast<const char*>(architecture.data()), architecture.size() * sizeof(OptionIndex)});
}

std::uint64_t Fingerprint(const Architecture& architecture) {
  // FNV-1a (Fowler, Noll, Vo), 64 bits.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const OptionIndex option : architecture) {
    hash = (hash ^ (option & 0xff)) * 0x100000001b3;
    hash = (hash ^ (option >> 8)) * 0x100000001b3;
  }
  return hash;
}

bool Space::CostIsPerLayer() const {
  return std::all_of(layers.begin(), layers.end(), [](const Layer& layer) { return !layer.costs.empty(); });
}

double Space::Cost(const Architecture& architecture) const {
  double cost = base_cost;
  for (std::size_t i = 0; i < layers.size(); ++i) cost += layers[i].costs[architecture[i]];
  return cost;
}

double Space::CheapestCost() const {
  double cost = base_cost;
  for (const Layer& layer : layers) cost += *std::min_element(layer.costs.begin(), layer.costs.end());
  return cost;
}

double Space::DearestCost() const {
  double cost = base_cost;
  for (const Layer& layer : layers) cost += *std::max_element(layer.costs.begin(), layer.costs.end());
  return cost;
}

double Space::Size() const {
  double size = 1;
  for (const Layer& layer : layers) size *= layer.option_count;
  return size;
}

Architecture Space::Default() const {
  Architecture architecture;
  architecture.reserve(layers.size());
  for (const Layer& layer : layers) architecture.push_back(layer.default_option);
  return architecture;
}

}  // namespace layernas::core
