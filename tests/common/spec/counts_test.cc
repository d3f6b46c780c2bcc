// The cost of counting a space is limited, whatever the spec.
#include "common/spec/counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace layernas::spec {
namespace {

using ::testing::HasSubstr;

// The layers are the edges of one cell with `nodes` nodes, which occurs `cells` times in each of
// three stages.
v1::Space CellSpace(int nodes, int options, int cells) {
  v1::Space space;
  for (const int size : {3, 32, 32}) space.mutable_network()->add_input(size);
  space.mutable_network()->set_classes(10);
  auto& fields = *space.mutable_network()->mutable_parameters()->mutable_fields();
  fields["cells"].set_number_value(cells);
  for (int i = 0; i < nodes * (nodes - 1) / 2; ++i) {
    v1::Layer& layer = *space.add_layers();
    layer.set_name("edge" + std::to_string(i));
    for (int option = 0; option < options; ++option) {
      layer.add_options()->set_name(option == 0 ? "skip_connect" : "none");
    }
  }
  return space;
}

TEST(CountPerLayer, ACellOfTooManyEdgesAndOptionsIsRefusedBeforeItIsCounted) {
  // 15 cells with 45 edges, and 45 x 40 options.
  const auto refused = CountPerLayer(CellSpace(10, 40, 5), "params");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      std::string(refused.status().message()),
      HasSubstr("supports only smaller spaces: 675 edges times 1800 options are more than the maximum of 1000000"));
  EXPECT_TRUE(CountPerLayer(CellSpace(4, 5, 5), "params").ok());
}

}  // namespace
}  // namespace layernas::spec
