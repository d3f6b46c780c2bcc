#include "client/lookup/design.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"

namespace layernas::client {
namespace {

spec::Choices DrawUniformly(const v1::Space& space, RandomStream& random) {
  spec::Choices choices;
  for (const v1::Layer& layer : space.layers()) {
    choices.push_back(static_cast<std::uint16_t>(random.Below(static_cast<std::uint64_t>(layer.options_size()))));
  }
  return choices;
}

}  // namespace

absl::StatusOr<std::vector<DesignPoint>> DrawDesign(const v1::Space& space, int fitted, int held_out,
                                                    std::uint32_t seed) {
  // The space must have twice as many architectures, so that drawing new ones ends soon.
  if (const double size = spec::SpaceSize(space); size < 2.0 * (fitted + held_out)) {
    return absl::InvalidArgumentError(absl::StrCat("the space has only ", size, " architectures, fewer than twice the ",
                                                   fitted + held_out, " to measure: measure fewer"));
  }
  for (const v1::Layer& layer : space.layers()) {
    if (layer.options_size() <= fitted) continue;
    return absl::InvalidArgumentError(absl::StrCat("layer \"", layer.name(), "\" has ", layer.options_size(),
                                                   " options, more than the ", fitted,
                                                   " networks to fit: measure more"));
  }
  RandomStream random({seed});
  std::vector<DesignPoint> points(static_cast<std::size_t>(fitted));
  for (const v1::Layer& layer : space.layers()) {
    std::vector<std::uint16_t> column;
    for (int i = 0; i < fitted; ++i) column.push_back(static_cast<std::uint16_t>(i % layer.options_size()));
    Shuffle(column, random);
    for (std::size_t i = 0; i < points.size(); ++i) points[i].choices.push_back(column[i]);
  }
  std::set<spec::Choices> drawn;
  const auto draw_another = [&] {
    spec::Choices choices = DrawUniformly(space, random);
    while (!drawn.insert(choices).second) choices = DrawUniformly(space, random);
    return choices;
  };
  std::vector<DesignPoint*> twins;
  for (DesignPoint& point : points) {
    if (!drawn.insert(point.choices).second) twins.push_back(&point);
  }
  for (DesignPoint* twin : twins) twin->choices = draw_another();
  for (int i = 0; i < held_out; ++i) points.push_back({draw_another(), true});
  Shuffle(points, random);
  return points;
}

}  // namespace layernas::client
