#include "common/spec/resolve.h"

#include <algorithm>
#include <charconv>

#include "common/base/architecture_id.h"

namespace layernas::spec {
namespace {

std::size_t MaxOptions(const v1::Space& space) {
  int max = 0;
  for (const v1::Layer& layer : space.layers()) max = std::max(max, layer.options_size());
  return static_cast<std::size_t>(max);
}

// Removes the decimal number at the front of `text` and returns it. Returns nothing if it is not
// written exactly as FormatArchitectureId writes it.
std::optional<std::uint16_t> TakeNumber(std::string_view& text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const auto length = static_cast<std::size_t>(end - text.data());
  if (length > 1 && text.front() == '0') return std::nullopt;
  text.remove_prefix(length);
  return number;
}

std::optional<Choices> Split(const v1::Space& space, std::string_view id) {
  Choices choices;
  const auto layers = static_cast<std::size_t>(space.layers_size());
  choices.reserve(layers);
  if (MaxOptions(space) <= kOptionDigits.size()) {
    for (const char c : id) {
      const std::size_t digit = kOptionDigits.find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      choices.push_back(static_cast<std::uint16_t>(digit));
    }
    return choices;
  }
  while (choices.size() < layers) {
    if (!choices.empty()) {
      if (id.empty() || id.front() != '-') return std::nullopt;
      id.remove_prefix(1);
    }
    const std::optional<std::uint16_t> number = TakeNumber(id);
    if (!number.has_value()) return std::nullopt;
    choices.push_back(*number);
  }
  if (!id.empty()) return std::nullopt;
  return choices;
}

}  // namespace

std::string FormatArchitectureId(const v1::Space& space, std::span<const std::uint16_t> choices) {
  std::size_t max_options = MaxOptions(space);
  for (const std::uint16_t choice : choices) max_options = std::max(max_options, std::size_t{choice} + 1);
  return layernas::FormatArchitectureId(choices, max_options);
}

std::optional<Choices> ParseArchitectureId(const v1::Space& space, std::string_view id) {
  std::optional<Choices> choices = Split(space, id);
  if (!choices.has_value() || choices->size() != static_cast<std::size_t>(space.layers_size())) return std::nullopt;
  for (int layer = 0; layer < space.layers_size(); ++layer) {
    if ((*choices)[layer] >= space.layers(layer).options_size()) return std::nullopt;
  }
  return choices;
}

Choices DefaultChoices(const v1::Space& space) {
  Choices choices;
  for (const v1::Layer& layer : space.layers()) {
    int chosen = layer.options_size() - 1;
    for (int i = 0; i < layer.options_size(); ++i) {
      if (layer.options(i).name() == layer.default_()) chosen = i;
    }
    choices.push_back(static_cast<std::uint16_t>(chosen));
  }
  return choices;
}

double SpaceSize(const v1::Space& space) {
  double size = 1;
  for (const v1::Layer& layer : space.layers()) size *= layer.options_size();
  return size;
}

v1::ChosenLayer Choose(const v1::Layer& layer, const v1::Option& option) {
  v1::ChosenLayer chosen;
  chosen.set_name(layer.name());
  chosen.set_option(option.name());
  chosen.set_channels(layer.channels());
  chosen.set_stride(layer.stride());
  if (layer.has_parameters()) *chosen.mutable_parameters() = layer.parameters();
  for (const auto& [key, value] : option.parameters().fields()) {
    (*chosen.mutable_parameters()->mutable_fields())[key] = value;
  }
  return chosen;
}

v1::Architecture Resolve(const v1::Space& space, std::span<const std::uint16_t> choices) {
  v1::Architecture architecture;
  architecture.set_id(FormatArchitectureId(space, choices));
  for (int i = 0; i < space.layers_size(); ++i) {
    const v1::Layer& layer = space.layers(i);
    if (static_cast<std::size_t>(i) >= choices.size() || choices[i] >= layer.options_size()) break;
    *architecture.add_layers() = Choose(layer, layer.options(choices[i]));
  }
  return architecture;
}

}  // namespace layernas::spec
