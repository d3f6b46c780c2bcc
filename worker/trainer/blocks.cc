#include "worker/trainer/blocks.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "worker/trainer/errors.h"
#include "worker/trainer/object_reader.h"

namespace layernas::trainer {
namespace {

// Everything a block needs to know, checked and complete.
struct BlockGeometry {
  int in_channels = 0;
  int out_channels = 0;
  int stride = 1;
  // Only for blocks that ask for them.
  int kernel = 0;
  int expansion = 0;

  bool KeepsShape() const { return stride == 1 && in_channels == out_channels; }
};

// The block that does least: nothing at all where the shape stays. Otherwise what the shape demands, as in the shortcut
// of ResNet-D: average pooling for the stride, a 1x1 projection without activation for a change of channels.
BlockPlan Skip(const BlockGeometry& g) {
  BlockPlan plan;
  plan.pool = g.stride;
  if (g.in_channels != g.out_channels) plan.units = {{g.in_channels, g.out_channels, 1, 1, 1, /*activation=*/false}};
  return plan;
}

// Plain convolution.
BlockPlan Conv(const BlockGeometry& g) {
  BlockPlan plan;
  plan.units = {{g.in_channels, g.out_channels, g.kernel, g.stride, 1, true}};
  return plan;
}

// Inverted residual of MobileNetV2: expand, filter per channel, project; with a shortcut where the shape stays.
BlockPlan MbConv(const BlockGeometry& g) {
  const int hidden = g.in_channels * g.expansion;
  BlockPlan plan;
  if (g.expansion > 1) plan.units.push_back({g.in_channels, hidden, 1, 1, 1, true});
  plan.units.push_back({hidden, hidden, g.kernel, g.stride, hidden, true});
  plan.units.push_back({hidden, g.out_channels, 1, 1, 1, /*activation=*/false});
  plan.residual = g.KeepsShape();
  return plan;
}

struct BlockType {
  const char* name;
  const char* example;
  bool needs_kernel;
  bool needs_expansion;
  BlockPlan (*plan)(const BlockGeometry&);
};

constexpr BlockType kBlockTypes[] = {
    {"skip", "skip", false, false, Skip},
    {"conv", "conv_k3", true, false, Conv},
    {"mbconv", "mbconv_k5_e6", true, true, MbConv},
};

const BlockType* FindBlockType(const std::string& name) {
  for (const BlockType& type : kBlockTypes) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

std::string UnknownBlock(const std::string& name) {
  std::vector<std::string> names;
  std::string list;
  for (const BlockType& type : kBlockTypes) {
    names.emplace_back(type.name);
    list += (list.empty() ? "" : ", ") + std::string(type.name);
  }
  return "no block is called '" + name + "' (there are " + list + ")" + Suggestion(name, names);
}

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

Shape Strided(const Shape& shape, int stride, int channels) {
  return {channels, CeilDivide(shape.height, stride), CeilDivide(shape.width, stride)};
}

}  // namespace

bool operator==(const Shape& a, const Shape& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

BlockSettings ParseOptionName(const std::string& option) {
  std::istringstream parts(option);
  BlockSettings settings;
  std::getline(parts, settings.block, '_');
  if (FindBlockType(settings.block) == nullptr) {
    throw InfeasibleError("option '" + option + "': " + UnknownBlock(settings.block) +
                          "; another name needs parameters.block");
  }
  for (std::string part; std::getline(parts, part, '_');) {
    std::optional<int>* setting = nullptr;
    if (!part.empty() && part[0] == 'k') setting = &settings.kernel;
    if (!part.empty() && part[0] == 'e') setting = &settings.expansion;
    int number = 0;
    const char* end = part.data() + part.size();
    const bool is_number = part.size() > 1 && [&] {
      const auto [stop, error] = std::from_chars(part.data() + 1, end, number);
      return stop == end && error == std::errc();
    }();
    // Each setting once.
    if (setting == nullptr || setting->has_value() || !is_number) {
      std::ostringstream message;
      message << "option '" << option << "': cannot read '" << part
              << "'; after the block come k<kernel> and e<expansion>, as in mbconv_k5_e6";
      throw InfeasibleError(message.str());
    }
    *setting = number;
  }
  return settings;
}

BlockPlan PlanBlock(const std::string& name, const BlockSettings& settings, const Shape& input) {
  constexpr int kMaxKernel = 31;
  constexpr int kMaxExpansion = 64;
  constexpr int kMaxChannels = 1 << 16;
  const std::string where = "layer '" + name + "': ";
  const BlockType* type = FindBlockType(settings.block);
  if (type == nullptr) throw InfeasibleError(where + UnknownBlock(settings.block));

  BlockGeometry geometry{input.channels, settings.channels, settings.stride};
  if (type->needs_kernel) {
    if (!settings.kernel) throw InfeasibleError(where + type->name + " needs a kernel, as in " + type->example);
    geometry.kernel = *settings.kernel;
    if (geometry.kernel < 1 || geometry.kernel > kMaxKernel || geometry.kernel % 2 == 0) {
      throw InfeasibleError(where + "the kernel must be odd and from 1 to " + std::to_string(kMaxKernel) + ", but is " +
                            std::to_string(geometry.kernel));
    }
  }
  if (type->needs_expansion) {
    if (!settings.expansion) throw InfeasibleError(where + type->name + " needs an expansion, as in " + type->example);
    geometry.expansion = *settings.expansion;
    if (geometry.expansion < 1 || geometry.expansion > kMaxExpansion) {
      throw InfeasibleError(where + "the expansion must be from 1 to " + std::to_string(kMaxExpansion) + ", but is " +
                            std::to_string(geometry.expansion));
    }
  }
  if (settings.stride > std::min(input.height, input.width)) {
    throw InfeasibleError(where + "stride " + std::to_string(settings.stride) + " does not fit a feature map of " +
                          std::to_string(input.height) + "x" + std::to_string(input.width));
  }
  BlockPlan plan = type->plan(geometry);
  plan.name = name;
  for (const ConvUnit& unit : plan.units) {
    if (unit.out_channels > kMaxChannels) {
      throw InfeasibleError(where + std::to_string(unit.out_channels) + " channels inside the block are more than " +
                            std::to_string(kMaxChannels));
    }
  }
  return plan;
}

Shape OutputShape(const ConvUnit& unit, const Shape& input) { return Strided(input, unit.stride, unit.out_channels); }

Shape OutputShape(const BlockPlan& plan, const Shape& input) {
  Shape shape = Strided(input, plan.pool, input.channels);
  for (const ConvUnit& unit : plan.units) shape = OutputShape(unit, shape);
  return shape;
}

}  // namespace layernas::trainer
