// Compares counts of the shipped spaces with published figures and, if they are available, with
// whole tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "client/spec/spec_reader.h"
#include "common/network/architecture.h"
#include "common/spec/counts.h"
#include "common/spec/resolve.h"

namespace layernas::client {
namespace {

using ::testing::HasSubstr;

v1::SearchSpec ReadExample(const std::string& name) {
  const SpecFile file = ReadSpecFile(std::string(LAYERNAS_EXAMPLES) + "/" + name + ".yaml");
  EXPECT_TRUE(file.ok()) << name << ": " << (file.ok() ? "" : file.mistakes.front().message);
  return file.spec;
}

network::Counts CountDefault(const std::string& name) {
  const v1::Space space = ReadExample(name).space();
  const auto counts = spec::ArchitectureCounter(space).Count(spec::DefaultChoices(space));
  EXPECT_TRUE(counts.ok()) << name << ": " << counts.status();
  return counts.value_or(network::Counts{});
}

// Parameters as in torchvision's models; multiply-adds as in the papers, in millions.
TEST(Counts, DefaultsAreTheReferenceNetworks) {
  struct Reference {
    const char* name;
    std::int64_t params;
    double million_multiply_adds;
  };
  for (const Reference& reference : {Reference{"mobilenet_v2", 3'504'872, 300},
                                     {"mobilenet_v3_small", 2'542'856, 56},
                                     {"mobilenet_v3_large", 5'483'032, 217}}) {
    const network::Counts counts = CountDefault(reference.name);
    EXPECT_EQ(counts.params, reference.params) << reference.name;
    EXPECT_NEAR(static_cast<double>(counts.multiply_adds), reference.million_multiply_adds * 1e6,
                0.03 * reference.million_multiply_adds * 1e6)
        << reference.name;
  }
}

// The largest network of the size space is the cell 443144 of the topology space with 64 channels
// throughout. Its authors publish no figure; this one is calculated by hand.
TEST(Counts, SizeSpace) {
  const std::int64_t unit = 9 * 64 * 64 + 2 * 64;
  const std::int64_t cells = 3 * 5 * unit;
  const std::int64_t reductions = 2 * (2 * unit + 64 * 64);
  EXPECT_EQ(CountDefault("nats_bench_size").params, 27 * 64 + 2 * 64 + cells + reductions + 2 * 64 + 64 * 10 + 10);
}

using Row = std::map<std::string, std::string>;

// Returns nothing if the table does not exist.
std::vector<Row> ReadTable(const std::string& name) {
  const char* folder = std::getenv("LAYERNAS_TABLES");
  std::ifstream file(std::string(folder != nullptr ? folder : LAYERNAS_TABLES) + "/" + name);
  std::vector<Row> rows;
  std::vector<std::string> columns;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> cells;
    std::istringstream parts(line);
    for (std::string cell; std::getline(parts, cell, ',');) cells.push_back(cell);
    if (columns.empty()) {
      columns = cells;
      continue;
    }
    Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < columns.size() && i < cells.size(); ++i) row[columns[i]] = cells[i];
  }
  return rows;
}

TEST(Counts, AllOfNasBenchMacro) {
  const std::vector<Row> rows = ReadTable("nas_bench_macro_cifar10.csv");
  if (rows.empty()) GTEST_SKIP() << "nas_bench_macro_cifar10.csv is not at hand (LAYERNAS_TABLES)";
  const v1::Space space = ReadExample("nas_bench_macro").space();
  const spec::ArchitectureCounter counter(space);
  for (const Row& row : rows) {
    const auto counts = counter.Count(*spec::ParseArchitectureId(space, row.at("arch")));
    ASSERT_TRUE(counts.ok()) << counts.status();
    ASSERT_EQ(std::to_string(counts->params), row.at("params")) << row.at("arch");
    ASSERT_EQ(std::to_string(counts->multiply_adds), row.at("multiply_adds")) << row.at("arch");
  }
  EXPECT_EQ(rows.size(), 6'561U);
}

// The table counts more than the multiply-adds of weights: 2 per value that a batch normalization
// writes, 1 per value that a ReLU writes, and window² per value that a pooling writes. The global
// pooling of 8x8 counts as a window of 9x9.
std::int64_t WhatTheTableAdds(const network::Graph& graph) {
  std::int64_t added = 0;
  for (const network::Op& op : graph.ops) {
    const std::int64_t values = std::int64_t{op.output.channels} * op.output.height * op.output.width;
    if (op.kind == network::OpKind::kNorm) added += 2 * values;
    if (op.kind == network::OpKind::kActivation) added += values;
    if (op.kind == network::OpKind::kAveragePool) added += std::int64_t{op.kernel} * op.kernel * values;
    if (op.kind == network::OpKind::kGlobalPool) added += 81 * values;
  }
  return added;
}

nlohmann::json TopologyArchitecture(const v1::Space& space, const std::string& id) {
  nlohmann::json layers = nlohmann::json::array();
  const v1::Architecture architecture = spec::Resolve(space, *spec::ParseArchitectureId(space, id));
  for (const v1::ChosenLayer& layer : architecture.layers()) {
    layers.push_back({{"name", layer.name()}, {"option", layer.option()}});
  }
  return {{"layers", layers}};
}

TEST(Counts, AllOfNasBench201) {
  const std::vector<Row> rows = ReadTable("nas_bench_201_cifar10.csv");
  if (rows.empty()) GTEST_SKIP() << "nas_bench_201_cifar10.csv is not at hand (LAYERNAS_TABLES)";
  const v1::Space space = ReadExample("nats_bench_topology").space();
  const spec::ArchitectureCounter counter(space);
  const nlohmann::json network = {
      {"input", {3, 32, 32}},
      {"classes", 10},
      {"stem_channels", 16},
      {"parameters", {{"cells", 5}, {"stages", 3}, {"stem_activation", "none"}, {"final_norm", true}}}};
  for (const Row& row : rows) {
    const std::string& id = row.at("arch");
    const auto counts = counter.Count(*spec::ParseArchitectureId(space, id));
    ASSERT_TRUE(counts.ok()) << counts.status();
    const network::Graph graph = network::PlanNetwork(TopologyArchitecture(space, id), network);
    ASSERT_EQ(network::CountNetwork(graph).multiply_adds, counts->multiply_adds) << id;
    ASSERT_EQ(counts->params, std::llround(1e6 * std::stod(row.at("params_millions")))) << id;
    ASSERT_EQ(counts->multiply_adds + WhatTheTableAdds(graph),
              std::llround(1e6 * std::stod(row.at("multiply_adds_millions"))))
        << id;
  }
  EXPECT_EQ(rows.size(), 15'625U);
}

// The sums of the counts per layer equal the total counts.
TEST(CountPerLayer, AddsUp) {
  for (const char* name : {"shapes10", "nas_bench_macro", "nats_bench_topology"}) {
    const v1::Space space = ReadExample(name).space();
    const spec::ArchitectureCounter counter(space);
    for (const char* metric : {"params", "multiply_adds"}) {
      const auto per_layer = spec::CountPerLayer(space, metric);
      ASSERT_TRUE(per_layer.ok()) << name << ": " << per_layer.status();
      for (int i = 0; i < 200; ++i) {
        spec::Choices choices;
        double sum = per_layer->base;
        for (int layer = 0; layer < space.layers_size(); ++layer) {
          choices.push_back(
              static_cast<std::uint16_t>((i * 7 + layer * layer * 3 + i / 5) % space.layers(layer).options_size()));
          sum += per_layer->costs[static_cast<std::size_t>(layer)][choices.back()];
        }
        const auto counts = counter.Count(choices);
        ASSERT_TRUE(counts.ok()) << counts.status();
        ASSERT_EQ(sum, spec::CountOf(*counts, metric)) << name << " " << metric;
      }
    }
  }
}

TEST(CountPerLayer, SearchedChannelsAreNamed) {
  const auto per_layer = spec::CountPerLayer(ReadExample("nats_bench_size").space(), "params");
  EXPECT_EQ(per_layer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(per_layer.status().message()), HasSubstr("\"layer1\""));
}

}  // namespace
}  // namespace layernas::client
