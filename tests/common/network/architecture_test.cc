#include "common/network/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "common/network/blocks.h"
#include "common/network/errors.h"

namespace layernas::network {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

json Layer(const char* name, const char* option, int channels, int stride) {
  return {{"name", name}, {"option", option}, {"channels", channels}, {"stride", stride}};
}

json SmallArchitecture() {
  return {{"id", "01"}, {"layers", {Layer("block1", "conv_k3", 16, 2), Layer("block2", "mbconv_k3_e2", 16, 1)}}};
}

json SmallNetwork() {
  return {{"input", {3, 32, 32}}, {"classes", 10}, {"stem_channels", 8}, {"parameters", {{"stem_stride", 2}}}};
}

std::string Refusal(const json& architecture, const json& network) {
  try {
    PlanNetwork(architecture, network);
  } catch (const InfeasibleError& error) {
    return error.what();
  }
  return "accepted";
}

std::string LayerRefusal(const json& layer) {
  json architecture = SmallArchitecture();
  architecture["layers"][1] = layer;
  return Refusal(architecture, SmallNetwork());
}

std::string NetworkRefusal(const char* path, const json& value) {
  json network = SmallNetwork();
  network[json::json_pointer(path)] = value;
  return Refusal(SmallArchitecture(), network);
}

// Returns the operations of one kind that belong to a layer.
std::vector<Op> OpsOf(const Graph& graph, const std::string& layer, OpKind kind) {
  std::vector<Op> ops;
  std::copy_if(graph.ops.begin(), graph.ops.end(), std::back_inserter(ops), [&](const Op& op) {
    return op.kind == kind && graph.layers[static_cast<std::size_t>(op.layer)] == layer;
  });
  return ops;
}

TEST(PlanNetwork, LayerThatCannotBeBuiltIsNamed) {
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbcnv_k3_e3", 16, 1)),
              AllOf(HasSubstr("layer 'tail'"), HasSubstr("did you mean 'mbconv'?")));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3_x3", 16, 1)), AllOf(HasSubstr("layer 'tail'"), HasSubstr("'x3'")));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3_k5", 16, 1)), HasSubstr("'k5'"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3_se_se", 16, 1)), HasSubstr("'se'"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3_e3_relu_relu6", 16, 1)), HasSubstr("'relu6'"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "conv_k3_c0", 16, 1)), HasSubstr("'c0'"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3_e1e9", 16, 1)), HasSubstr("expansion"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3_enan", 16, 1)), HasSubstr("expansion"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "conv_k99999999999", 16, 1)), HasSubstr("cannot read"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3_e1e1", 16, 1)), HasSubstr("cannot read 'e1e1'"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "conv_k3_", 16, 1)), HasSubstr("cannot read ''"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "conv", 16, 1)),
              AllOf(HasSubstr("layer 'tail'"), HasSubstr("needs a kernel")));
  EXPECT_THAT(LayerRefusal(Layer("tail", "mbconv_k3", 16, 1)), HasSubstr("needs an expansion"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "conv_k4", 16, 1)), HasSubstr("must be odd"));
  EXPECT_THAT(LayerRefusal(Layer("tail", "conv_k3", 16, 9)), AllOf(HasSubstr("layer 'tail'"), HasSubstr("stride 9")));
  EXPECT_THAT(LayerRefusal(Layer("tail", "skip", 16, 9)), AllOf(HasSubstr("layer 'tail'"), HasSubstr("stride 9")));
  EXPECT_THAT(LayerRefusal(Layer("tail", "conv_k3", -1, 1)), HasSubstr("architecture.layers[1].channels"));
  EXPECT_THAT(LayerRefusal({{"option", "skip"}}), HasSubstr("architecture.layers[1].name is missing"));
  EXPECT_THAT(LayerRefusal({{"name", "tail"}}), HasSubstr("architecture.layers[1].option is missing"));
  EXPECT_THAT(LayerRefusal({{"name", "tail"}, {"option", "skip"}, {"parameters", {{"kernal", 3}}}}),
              AllOf(HasSubstr("layer 'tail'"), HasSubstr("did you mean 'kernel'?")));
  EXPECT_THAT(LayerRefusal({{"name", "tail"}, {"option", "skip"}, {"parameters", {{"activation", "swish"}}}}),
              AllOf(HasSubstr("layer 'tail'"), HasSubstr("hswish")));
  EXPECT_THAT(LayerRefusal(Layer("tail", "cell", 16, 1)), HasSubstr("parameters.edges"));
  EXPECT_THAT(LayerRefusal({{"name", "tail"}, {"option", "cell"}, {"parameters", {{"edges", {"none", "none"}}}}}),
              AllOf(HasSubstr("layer 'tail'"), HasSubstr("2 edges")));
  EXPECT_THAT(LayerRefusal({{"name", "tail"}, {"option", "cell"}, {"parameters", {{"edges", {"nor_conv_5x5"}}}}}),
              HasSubstr("did you mean 'nor_conv_"));
  EXPECT_THAT(Refusal({{"layers", json::array()}}, SmallNetwork()), HasSubstr("architecture.layers"));
}

TEST(PlanNetwork, ANameHasNoSettingsThatItsBlockWouldIgnore) {
  const std::map<const char*, const char*> refused = {
      {"conv_k3_e6", "conv has no expansion (e)"},
      {"conv_k3_se", "conv has no squeeze-and-excitation (se)"},
      {"skip_k3", "skip has no kernel (k)"},
      {"skip_se", "skip has no squeeze-and-excitation (se)"},
      {"skip_relu", "skip has no activation to choose"},
      {"residual_k3_relu6", "residual has no activation to choose"},
      {"cell_k3", "cell has no kernel (k)"},
  };
  for (const auto& [option, why] : refused) {
    EXPECT_EQ(LayerRefusal(Layer("tail", option, 16, 1)), "layer 'tail': option '" + std::string(option) + "': " + why);
  }
  for (const char* option : {"skip", "skip_c8", "conv_k3_c8_relu6", "mbconv_k3_e6_c8_se_hswish", "residual_k3_c8"}) {
    EXPECT_EQ(LayerRefusal(Layer("tail", option, 16, 1)), "accepted") << option;
  }
  // The parameters of a layer are for all its options.
  json skip = Layer("tail", "skip", 16, 1);
  skip["parameters"] = {{"activation", "relu6"}, {"squeeze_excite", true}};
  EXPECT_EQ(LayerRefusal(skip), "accepted");
}

TEST(PlanNetwork, NetworkFieldsAreChecked) {
  EXPECT_THAT(NetworkRefusal("/input", {32, 32}), HasSubstr("network.input"));
  EXPECT_THAT(NetworkRefusal("/input", {3, "a", 32}), HasSubstr("network.input"));
  EXPECT_THAT(NetworkRefusal("/classes", 0), HasSubstr("network.classes is missing"));
  EXPECT_THAT(NetworkRefusal("/head", 3), HasSubstr("network has no field 'head'"));
  EXPECT_THAT(NetworkRefusal("/parameters/stem", 3), HasSubstr("network.parameters has no field 'stem'"));
  EXPECT_THAT(NetworkRefusal("/parameters/stages", 3), HasSubstr("without cells"));
  EXPECT_THAT(NetworkRefusal("/parameters", {{"cells", 2}, {"stem_as_first_layer", true}}),
              HasSubstr("stem_as_first_layer has no effect with cells"));
  EXPECT_THAT(NetworkRefusal("/parameters/cells", 2), HasSubstr("is an edge of a cell"));
  EXPECT_THAT(NetworkRefusal("/parameters/head_activation", "relu7"), HasSubstr("network.parameters.head_activation"));
}

TEST(PlanNetwork, ParametersGoBeforeNameAndLayer) {
  json architecture = SmallArchitecture();
  architecture["layers"][1] = {{"name", "tail"},
                               {"option", "big"},
                               {"channels", 16},
                               {"parameters",
                                {{"block", "mbconv"},
                                 {"kernel", 5},
                                 {"expansion", 4},
                                 {"channels", 24},
                                 {"stride", 2},
                                 {"squeeze_excite", true},
                                 {"activation", "hswish"}}}};
  const Graph graph = PlanNetwork(architecture, SmallNetwork());
  const std::vector<Op> convs = OpsOf(graph, "tail", OpKind::kConv);
  ASSERT_EQ(convs.size(), 5U);  // Expand, filter, two of squeeze-and-excitation, project.
  EXPECT_EQ(convs[0].output.channels, 64);
  EXPECT_EQ(convs[1].kernel, 5);
  EXPECT_EQ(convs[1].stride, 2);
  EXPECT_EQ(convs[1].groups, 64);
  EXPECT_EQ(convs[2].output.channels, 16);
  EXPECT_EQ(convs[4].output.channels, 24);
  EXPECT_EQ(OpsOf(graph, "tail", OpKind::kActivation)[0].activation, Activation::kHardSwish);
  EXPECT_TRUE(OpsOf(graph, "tail", OpKind::kAdd).empty());
}

TEST(PlanNetwork, AnOptionsNameSaysAllButTheStride) {
  const auto plan = [](const char* option) {
    json architecture = SmallArchitecture();
    architecture["layers"][1] = Layer("tail", option, 16, 1);
    return OpsOf(PlanNetwork(architecture, SmallNetwork()), "tail", OpKind::kConv);
  };
  const std::vector<Op> convs = plan("mbconv_k5_e2.4_c24_se_relu6");
  ASSERT_EQ(convs.size(), 5U);
  EXPECT_EQ(convs[0].output.channels, 40);  // 38.4 to a multiple of 8.
  EXPECT_EQ(convs[4].output.channels, 24);
  EXPECT_EQ(plan("mbconv_k3_e1").size(), 2U);  // Nothing to expand.
}

TEST(AddBlock, SkipDoesOnlyWhatTheShapeDemands) {
  const auto skip = [](const Shape& input, int channels, int stride) {
    GraphBuilder builder(input);
    builder.BeginLayer("a");
    BlockSettings settings;
    settings.block = "skip";
    settings.channels = channels;
    settings.stride = stride;
    AddBlock(builder, GraphBuilder::kInput, settings);
    return builder.Take();
  };
  EXPECT_TRUE(skip({8, 16, 16}, 8, 1).ops.empty());
  const Graph strided = skip({8, 15, 15}, 8, 2);
  ASSERT_EQ(strided.ops.size(), 1U);
  EXPECT_TRUE((strided.ops[0].output == Shape{8, 8, 8}));
  const Graph projected = skip({8, 16, 16}, 12, 2);
  ASSERT_EQ(projected.ops.size(), 3U);
  EXPECT_EQ(projected.ops[1].kernel, 1);
  EXPECT_EQ(projected.ops[2].kind, OpKind::kNorm);
}

TEST(AddBlock, MbConvHasAShortcutOnlyWhereTheShapeStays) {
  const auto has_shortcut = [](int channels, int stride) {
    json architecture = SmallArchitecture();
    architecture["layers"][1] = Layer("tail", "mbconv_k3_e2", channels, stride);
    return !OpsOf(PlanNetwork(architecture, SmallNetwork()), "tail", OpKind::kAdd).empty();
  };
  EXPECT_TRUE(has_shortcut(16, 1));
  EXPECT_FALSE(has_shortcut(16, 2));
  EXPECT_FALSE(has_shortcut(12, 1));
}

TEST(PlanNetwork, CellsAreRepeatedInStagesThatHalveTheSize) {
  const json architecture = {{"layers", json::array({{{"name", "edge1"}, {"option", "nor_conv_3x3"}},
                                                     {{"name", "edge2"}, {"option", "none"}},
                                                     {{"name", "edge3"}, {"option", "skip_connect"}}})}};
  json network = SmallNetwork();
  network["parameters"] = {{"cells", 2}, {"stages", 2}, {"final_norm", true}};
  const Graph graph = PlanNetwork(architecture, network);
  EXPECT_THAT(graph.layers, ::testing::ElementsAre("stem", "stage1_cell1", "stage1_cell2", "reduction1", "stage2_cell1",
                                                   "stage2_cell2", "head"));
  EXPECT_EQ(OpsOf(graph, "stage1_cell1", OpKind::kConv).size(), 1U);
  const Op last = OpsOf(graph, "stage2_cell2", OpKind::kConv)[0];
  EXPECT_TRUE((last.output == Shape{16, 16, 16}));
}

TEST(PlanNetwork, ACellWithoutAWayThroughGivesZeros) {
  const json architecture = {{"layers", json::array({{{"name", "edge1"}, {"option", "none"}}})}};
  json network = SmallNetwork();
  network["parameters"] = {{"cells", 1}, {"stages", 1}};
  EXPECT_EQ(OpsOf(PlanNetwork(architecture, network), "stage1_cell1", OpKind::kZero).size(), 1U);
}

}  // namespace
}  // namespace layernas::network
