// From option indices to all that is needed to build the network.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layernas/v1/search.pb.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

// One index per layer, each below that layer's number of options.
using Choices = std::vector<std::uint16_t>;

// The id as search.proto's Architecture defines it: digits and letters while no layer of the space has more than 36
// options.
std::string FormatArchitectureId(const v1::Space& space, std::span<const std::uint16_t> choices);

// Nothing if `id` is not of an architecture of `space`.
std::optional<Choices> ParseArchitectureId(const v1::Space& space, std::string_view id);

// What stands while a layer is undecided: the options named default, else the last ones. Layers must have options.
Choices DefaultChoices(const v1::Space& space);

// How many architectures there are. In double: the product may be beyond any integer.
double SpaceSize(const v1::Space& space);

// The layer's parameters are laid under the option's.
v1::ChosenLayer Choose(const v1::Layer& layer, const v1::Option& option);
v1::Architecture Resolve(const v1::Space& space, std::span<const std::uint16_t> choices);

}  // namespace layernas::spec
