#include "common/network/blocks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <type_traits>
#include <utility>

#include "common/network/cell.h"
#include "common/network/closest.h"
#include "common/network/errors.h"
#include "common/network/object_reader.h"

namespace layernas::network {
namespace {

constexpr int kMaxExpansion = 64;

// Rounds to the nearest multiple of 8, but not below 90 % of `value`, as MobileNets do.
int RoundToEight(double value) {
  const int rounded = std::max(8, static_cast<int>(value + 4) / 8 * 8);
  return rounded < 0.9 * value ? rounded + 8 : rounded;
}

// A type of block. The settings are complete: channels, and everything that the block requires.
class BlockType {
 public:
  virtual ~BlockType() = default;

  virtual const char* name() const = 0;
  virtual const char* example() const = 0;
  virtual bool needs_kernel() const { return false; }
  virtual bool needs_expansion() const { return false; }
  virtual bool has_squeeze_excite() const { return false; }
  virtual bool has_activation() const { return true; }
  virtual Value Add(GraphBuilder& builder, Value input, const BlockSettings& settings) const = 0;

 protected:
  static bool KeepsShape(const GraphBuilder& builder, Value input, const BlockSettings& settings) {
    return settings.stride == 1 && builder.ShapeOf(input).channels == settings.channels;
  }
};

// The minimal block: no operations if the shape stays the same. Otherwise, as in the shortcut of
// ResNet-D, average pooling for the stride and a 1x1 projection without activation for other
// channels.
class Skip final : public BlockType {
 public:
  const char* name() const override { return "skip"; }
  const char* example() const override { return "skip"; }
  bool has_activation() const override { return false; }
  Value Add(GraphBuilder& builder, Value input, const BlockSettings& s) const override {
    const Value pooled = builder.AveragePool(input, s.stride, s.stride);
    if (builder.ShapeOf(pooled).channels == s.channels) return pooled;
    return builder.ConvNorm(pooled, s.channels, 1, 1, 1, Activation::kNone);
  }
};

// Plain convolution.
class Conv final : public BlockType {
 public:
  const char* name() const override { return "conv"; }
  const char* example() const override { return "conv_k3"; }
  bool needs_kernel() const override { return true; }
  Value Add(GraphBuilder& builder, Value input, const BlockSettings& s) const override {
    return builder.ConvNorm(input, s.channels, *s.kernel, s.stride, 1, s.activation.value_or(Activation::kRelu));
  }
};

// Inverted residual of MobileNetV2 and V3: expand, filter each channel, optionally weight the
// channels, project; with a shortcut if the shape stays the same.
class MbConv final : public BlockType {
 public:
  const char* name() const override { return "mbconv"; }
  const char* example() const override { return "mbconv_k5_e6"; }
  bool needs_kernel() const override { return true; }
  bool needs_expansion() const override { return true; }
  bool has_squeeze_excite() const override { return true; }
  Value Add(GraphBuilder& builder, Value input, const BlockSettings& s) const override {
    const Activation activation = s.activation.value_or(Activation::kRelu);
    const int channels = builder.ShapeOf(input).channels;
    const double expanded = *s.expansion * channels;
    const bool whole = *s.expansion == std::floor(*s.expansion);
    // A value beyond any integer is rejected like one beyond any feature map.
    const double bounded = std::min(expanded, 1e9);
    const int hidden = whole ? static_cast<int>(bounded) : RoundToEight(bounded);
    Value value = input;
    if (hidden != channels) value = builder.ConvNorm(value, hidden, 1, 1, 1, activation);
    value = builder.ConvNorm(value, hidden, *s.kernel, s.stride, hidden, activation);
    if (s.squeeze_excite) value = SqueezeExcite(builder, value);
    value = builder.ConvNorm(value, s.channels, 1, 1, 1, Activation::kNone);
    return KeepsShape(builder, input, s) ? builder.Add(value, input) : value;
  }

 private:
  static Value SqueezeExcite(GraphBuilder& builder, Value map) {
    const int channels = builder.ShapeOf(map).channels;
    Value gate = builder.GlobalPool(map);
    gate =
        builder.Activate(builder.Conv(gate, RoundToEight(channels / 4.0), 1, 1, 1, /*bias=*/true), Activation::kRelu);
    gate = builder.Activate(builder.Conv(gate, channels, 1, 1, 1, /*bias=*/true), Activation::kHardSigmoid);
    return builder.Scale(map, gate);
  }
};

// Basic block of a ResNet with the activations first, as NAS-Bench-201 and NATS-Bench use it
// between their stages.
class Residual final : public BlockType {
 public:
  const char* name() const override { return "residual"; }
  const char* example() const override { return "residual_k3"; }
  // It always has relu.
  bool has_activation() const override { return false; }
  bool needs_kernel() const override { return true; }
  Value Add(GraphBuilder& builder, Value input, const BlockSettings& s) const override {
    Value value = ActivatedConv(builder, input, s.channels, *s.kernel, s.stride);
    value = ActivatedConv(builder, value, s.channels, *s.kernel, 1);
    Value shortcut = input;
    if (s.stride > 1) {
      shortcut = builder.Conv(builder.AveragePool(input, s.stride, s.stride), s.channels, 1, 1);
    } else if (builder.ShapeOf(input).channels != s.channels) {
      shortcut = ActivatedConv(builder, input, s.channels, 1, 1);
    }
    return builder.Add(value, shortcut);
  }
};

// A cell with given operations.
class Cell final : public BlockType {
 public:
  const char* name() const override { return "cell"; }
  const char* example() const override { return "cell with parameters.edges"; }
  bool has_activation() const override { return false; }
  Value Add(GraphBuilder& builder, Value input, const BlockSettings& s) const override {
    if (s.stride != 1) builder.Refuse("a cell must not have a stride");
    return AddCell(builder, input, s.channels, s.edges);
  }
};

const std::vector<const BlockType*>& BlockTypes() {
  static const Skip skip{};
  static const Conv conv{};
  static const MbConv mbconv{};
  static const Residual residual{};
  static const Cell cell{};
  static const std::vector<const BlockType*> types = {&skip, &conv, &mbconv, &residual, &cell};
  return types;
}

const BlockType* FindBlockType(const std::string& name) {
  for (const BlockType* type : BlockTypes()) {
    if (name == type->name()) return type;
  }
  return nullptr;
}

std::string UnknownBlock(const std::string& name) {
  std::vector<std::string> names;
  std::string list;
  for (const BlockType* type : BlockTypes()) {
    names.emplace_back(type->name());
    list += (list.empty() ? "" : ", ") + names.back();
  }
  return "unknown block '" + name + "' (known blocks: " + list + ")" + DidYouMean(name, names);
}

template <typename Number>
std::optional<Number> ReadNumber(const std::string& part) {
  Number number{};
  const char* end = part.data() + part.size();
  std::from_chars_result read{};
  if constexpr (std::is_floating_point_v<Number>) {
    // An exponent would also begin with e.
    read = std::from_chars(part.data() + 1, end, number, std::chars_format::fixed);
  } else {
    read = std::from_chars(part.data() + 1, end, number);
  }
  if (part.size() < 2 || read.ptr != end || read.ec != std::errc()) return std::nullopt;
  return number;
}

// Returns false for a part that is invalid or occurs a second time.
bool ReadPart(const std::string& part, BlockSettings& settings) {
  if (part == "se") return !std::exchange(settings.squeeze_excite, true);
  if (const auto activation = ParseActivation(part)) {
    if (settings.activation) return false;
    settings.activation = activation;
    return true;
  }
  switch (part.empty() ? '\0' : part[0]) {
    case 'k':
      if (settings.kernel) return false;
      settings.kernel = ReadNumber<int>(part);
      return settings.kernel.has_value();
    case 'e':
      if (settings.expansion) return false;
      settings.expansion = ReadNumber<double>(part);
      return settings.expansion.has_value();
    case 'c': {
      const auto channels = ReadNumber<int>(part);
      if (settings.channels != 0 || !channels || *channels < 1) return false;
      settings.channels = *channels;
      return true;
    }
    default:
      return false;
  }
}

// Returns the part of an option's name that the block would ignore; empty if there is none.
const char* UnusedPart(const BlockType& type, const BlockSettings& settings) {
  if (settings.kernel && !type.needs_kernel()) return "kernel (k)";
  if (settings.expansion && !type.needs_expansion()) return "expansion (e)";
  if (settings.squeeze_excite && !type.has_squeeze_excite()) return "squeeze-and-excitation (se)";
  if (settings.activation && !type.has_activation()) return "activation to choose";
  return "";
}

}  // namespace

std::optional<Activation> ParseActivation(const std::string& name) {
  if (name == "none") return Activation::kNone;
  if (name == "relu") return Activation::kRelu;
  if (name == "relu6") return Activation::kRelu6;
  if (name == "hswish") return Activation::kHardSwish;
  return std::nullopt;
}

BlockSettings ParseOptionName(const std::string& option) {
  std::istringstream parts(option);
  BlockSettings settings;
  std::getline(parts, settings.block, '_');
  const BlockType* type = FindBlockType(settings.block);
  if (type == nullptr) {
    throw InfeasibleError("option '" + option + "': " + UnknownBlock(settings.block) +
                          "; to use another name, set parameters.block");
  }
  const auto refuse = [&](const std::string& part) {
    throw InfeasibleError(
        "option '" + option + "': cannot read '" + part +
        "'; a block can be followed by k<kernel>, e<expansion>, c<channels>, se and an activation, each at most "
        "once, as in mbconv_k5_e6_c40_se_hswish");
  };
  for (std::string part; std::getline(parts, part, '_');) {
    if (!ReadPart(part, settings)) refuse(part);
  }
  // getline() reads nothing after the last underscore.
  if (option.back() == '_') refuse("");
  if (const std::string unused = UnusedPart(*type, settings); !unused.empty()) {
    throw InfeasibleError("option '" + option + "': " + settings.block + " has no " + unused);
  }
  return settings;
}

Value AddBlock(GraphBuilder& builder, Value input, const BlockSettings& given) {
  const BlockType* type = FindBlockType(given.block);
  if (type == nullptr) builder.Refuse(UnknownBlock(given.block));
  BlockSettings settings = given;
  if (settings.channels == 0) settings.channels = builder.ShapeOf(input).channels;
  if (type->needs_kernel() && !settings.kernel) {
    builder.Refuse(std::string(type->name()) + " needs a kernel, as in " + type->example());
  }
  if (type->needs_expansion()) {
    if (!settings.expansion) {
      builder.Refuse(std::string(type->name()) + " needs an expansion, as in " + type->example());
    }
    if (!(*settings.expansion >= 1 && *settings.expansion <= kMaxExpansion)) {
      std::ostringstream message;
      message << "the expansion must be from 1 to " << kMaxExpansion << ", but is " << *settings.expansion;
      builder.Refuse(message.str());
    }
  }
  return type->Add(builder, input, settings);
}

}  // namespace layernas::network
