#include "common/spec/resolve.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace layernas::spec {
namespace {

v1::Space SpaceOf(std::initializer_list<int> options_per_layer) {
  v1::Space space;
  for (const int options : options_per_layer) {
    v1::Layer& layer = *space.add_layers();
    layer.set_name("layer" + std::to_string(space.layers_size()));
    for (int i = 0; i < options; ++i) layer.add_options()->set_name("option" + std::to_string(i));
  }
  return space;
}

TEST(ArchitectureId, IsOneCharacterPerLayerUpTo36Options) {
  const v1::Space space = SpaceOf({3, 36, 2});
  EXPECT_EQ(FormatArchitectureId(space, Choices{2, 35, 0}), "2z0");
  EXPECT_EQ(FormatArchitectureId(space, Choices{0, 10, 1}), "0a1");
  EXPECT_EQ(ParseArchitectureId(space, "2z0"), (Choices{2, 35, 0}));
}

TEST(ArchitectureId, IsNumbersWhereALayerHasMoreOptions) {
  const v1::Space space = SpaceOf({3, 37, 1000});
  EXPECT_EQ(FormatArchitectureId(space, Choices{2, 36, 999}), "2-36-999");
  EXPECT_EQ(ParseArchitectureId(space, "2-36-999"), (Choices{2, 36, 999}));
}

TEST(ArchitectureId, OfNoArchitectureOfTheSpaceIsNothing) {
  const v1::Space small = SpaceOf({3, 3});
  for (const char* id : {"", "0", "000", "03", "3", "0-1", "0A", "-1", "0 "}) {
    EXPECT_EQ(ParseArchitectureId(small, id), std::nullopt) << id;
  }
  const v1::Space large = SpaceOf({3, 40});
  for (const char* id :
       {"", "0", "0-", "-0", "0-40", "0-1-2", "0--1", "00-1", "0-01", "0-+1", "0-99999", "0_1", "0-1 "}) {
    EXPECT_EQ(ParseArchitectureId(large, id), std::nullopt) << id;
  }
}

TEST(Resolve, LaysTheOptionsParametersOverTheLayers) {
  v1::Space space = SpaceOf({2});
  v1::Layer& layer = *space.mutable_layers(0);
  layer.set_channels(24);
  layer.set_stride(2);
  auto& layer_fields = *layer.mutable_parameters()->mutable_fields();
  layer_fields["activation"].set_string_value("relu");
  layer_fields["kernel"].set_number_value(3);
  (*layer.mutable_options(1)->mutable_parameters()->mutable_fields())["kernel"].set_number_value(5);

  const v1::Architecture first = Resolve(space, Choices{0});
  EXPECT_EQ(first.id(), "0");
  EXPECT_EQ(first.layers(0).parameters().fields().at("kernel").number_value(), 3);

  const v1::Architecture second = Resolve(space, Choices{1});
  ASSERT_EQ(second.layers_size(), 1);
  EXPECT_EQ(second.id(), "1");
  EXPECT_EQ(second.layers(0).name(), "layer1");
  EXPECT_EQ(second.layers(0).option(), "option1");
  EXPECT_EQ(second.layers(0).channels(), 24);
  EXPECT_EQ(second.layers(0).stride(), 2);
  EXPECT_EQ(second.layers(0).parameters().fields().at("kernel").number_value(), 5);
  EXPECT_EQ(second.layers(0).parameters().fields().at("activation").string_value(), "relu");
}

TEST(Resolve, WithoutParametersSetsNone) { EXPECT_FALSE(Resolve(SpaceOf({1}), Choices{0}).layers(0).has_parameters()); }

}  // namespace
}  // namespace layernas::spec
