// Converts option indices to architectures.
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

// One index per layer, each below the number of options of the layer.
using Choices = std::vector<std::uint16_t>;

// Returns the id as defined at Architecture in search.proto: digits and letters if no layer of the
// space has more than 36 options. The choices may be those of another space.
std::string FormatArchitectureId(const v1::Space& space, std::span<const std::uint16_t> choices);

// Returns nothing if `id` is not an architecture of `space`.
std::optional<Choices> ParseArchitectureId(const v1::Space& space, std::string_view id);

// Returns the choices for undecided layers: the default option, or the last option without a
// default. Layers must have options.
Choices DefaultChoices(const v1::Space& space);

// Returns the number of architectures, as a double because it can exceed any integer.
double SpaceSize(const v1::Space& space);

// Merges the layer's parameters with the option's, which take precedence.
v1::ChosenLayer Choose(const v1::Layer& layer, const v1::Option& option);
// If the choices are not those of an architecture of the space, the layers end before the first one
// without such an option.
v1::Architecture Resolve(const v1::Space& space, std::span<const std::uint16_t> choices);

}  // namespace layernas::spec
