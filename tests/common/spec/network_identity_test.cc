#include "common/spec/network_identity.h"

#include <gtest/gtest.h>

#include "common/spec/resolve.h"

namespace layernas::spec {
namespace {

// A cell with three nodes.
v1::Space CellSpace() {
  v1::Space space;
  for (const int size : {3, 32, 32}) space.mutable_network()->add_input(size);
  space.mutable_network()->set_classes(10);
  (*space.mutable_network()->mutable_parameters()->mutable_fields())["cells"].set_number_value(5);
  for (const char* edge : {"edge01", "edge02", "edge12"}) {
    v1::Layer& layer = *space.add_layers();
    layer.set_name(edge);
    for (const char* option : {"none", "skip_connect", "nor_conv_3x3"}) layer.add_options()->set_name(option);
  }
  return space;
}

TEST(NetworkIdentity, IsSharedByArchitecturesOfOneNetwork) {
  const NetworkIdentity identity = MakeNetworkIdentity(CellSpace());
  ASSERT_TRUE(identity);
  // A convolution on the edge 0→2, and one on the path through node 1.
  EXPECT_EQ(identity(Choices{0, 2, 0}), identity(Choices{2, 0, 1}));
  EXPECT_EQ(identity(Choices{0, 2, 0}), identity(Choices{1, 0, 2}));
  EXPECT_NE(identity(Choices{0, 2, 0}), identity(Choices{0, 1, 0}));
  EXPECT_FALSE(identity(Choices{0, 0, 0}).empty());
}

TEST(NetworkIdentity, IsOfferedForBlocksThatAreCells) {
  v1::Space space;
  for (const int size : {3, 32, 32}) space.mutable_network()->add_input(size);
  space.mutable_network()->set_classes(10);
  v1::Layer& layer = *space.add_layers();
  layer.set_name("cell");
  layer.set_channels(16);
  const auto add = [&](const std::string& name, const std::vector<std::string>& edges) {
    v1::Option& option = *layer.add_options();
    option.set_name(name);
    auto& fields = *option.mutable_parameters()->mutable_fields();
    fields["block"].set_string_value("cell");
    for (const std::string& edge : edges) {
      fields["edges"].mutable_list_value()->add_values()->set_string_value(edge);
    }
  };
  add("direct", {"none", "nor_conv_3x3", "none"});
  add("through", {"skip_connect", "none", "nor_conv_3x3"});
  add("pooled", {"avg_pool_3x3", "none", "nor_conv_3x3"});
  const NetworkIdentity identity = MakeNetworkIdentity(space);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity(Choices{0}), identity(Choices{1}));
  EXPECT_NE(identity(Choices{0}), identity(Choices{2}));
}

TEST(NetworkIdentity, IsNotOfferedWithoutCells) {
  v1::Space space = CellSpace();
  space.mutable_network()->clear_parameters();
  EXPECT_FALSE(MakeNetworkIdentity(space));
}

TEST(NetworkIdentity, IsNotOfferedForVeryLargeNetworks) {
  v1::Space space = CellSpace();
  space.mutable_network()->clear_parameters();
  space.clear_layers();
  for (const int layers : {30, 60}) {
    while (space.layers_size() < layers) {
      v1::Layer& layer = *space.add_layers();
      layer.set_name("cell" + std::to_string(space.layers_size()));
      layer.set_channels(16);
      v1::Option& option = *layer.add_options();
      option.set_name("dense");
      auto& fields = *option.mutable_parameters()->mutable_fields();
      fields["block"].set_string_value("cell");
      for (int i = 0; i < 15; ++i) {
        fields["edges"].mutable_list_value()->add_values()->set_string_value("nor_conv_3x3");
      }
    }
    EXPECT_EQ(MakeNetworkIdentity(space) != nullptr, layers == 30);
  }
}

TEST(NetworkIdentity, IsNotOfferedWhereOptionsThatAreNotTheDefaultAreVeryLarge) {
  // 33 cells with 15 edges each have at most 2,475 operations, 34 have up to 2,550.
  for (const int layers : {33, 34}) {
    v1::Space space = CellSpace();
    space.mutable_network()->clear_parameters();
    space.clear_layers();
    while (space.layers_size() < layers) {
      v1::Layer& layer = *space.add_layers();
      layer.set_name("cell" + std::to_string(space.layers_size()));
      layer.set_channels(16);
      layer.set_default_("small");
      for (const auto& [name, edges] : {std::pair("small", 1), std::pair("large", 15)}) {
        v1::Option& option = *layer.add_options();
        option.set_name(name);
        auto& fields = *option.mutable_parameters()->mutable_fields();
        fields["block"].set_string_value("cell");
        for (int i = 0; i < edges; ++i) {
          fields["edges"].mutable_list_value()->add_values()->set_string_value("skip_connect");
        }
      }
    }
    EXPECT_EQ(MakeNetworkIdentity(space) != nullptr, layers == 33);
  }
}

TEST(NetworkIdentity, IsNotOfferedForCellsThatAreRepeatedVeryOften) {
  v1::Space space = CellSpace();
  auto& parameters = *space.mutable_network()->mutable_parameters()->mutable_fields();
  parameters["stages"].set_number_value(6);
  parameters["cells"].set_number_value(100);
  // 600 cells with three edges have at most 9,000 operations, with six edges up to 18,000.
  EXPECT_TRUE(MakeNetworkIdentity(space));
  for (const char* edge : {"edge03", "edge13", "edge23"}) {
    v1::Layer& layer = *space.add_layers();
    layer = space.layers(0);
    layer.set_name(edge);
  }
  EXPECT_FALSE(MakeNetworkIdentity(space));
}

TEST(NetworkIdentity, IsNotOfferedForSettingsThatAreVeryLong) {
  v1::Space space = CellSpace();
  space.mutable_layers(0)->set_default_("none");
  v1::Option& option = *space.mutable_layers(0)->add_options();
  option.set_name("noted");
  auto& note = (*option.mutable_parameters()->mutable_fields())["note"];
  for (const std::size_t bytes : {60'000, 70'000}) {
    note.set_string_value(std::string(bytes, 'x'));
    EXPECT_EQ(MakeNetworkIdentity(space) != nullptr, bytes == 60'000);
  }
}

TEST(NetworkIdentity, IsNotOfferedForBlocksOfOthers) {
  v1::Space space = CellSpace();
  space.mutable_layers(0)->mutable_options(2)->set_name("fancy_op");
  EXPECT_FALSE(MakeNetworkIdentity(space));
}

}  // namespace
}  // namespace layernas::spec
