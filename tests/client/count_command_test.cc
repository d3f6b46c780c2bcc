// Tests the whole command `layernas count`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/client/call.h"

namespace layernas::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Outcome RunCount(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "count");
  return CallLocally(arguments);
}

std::string Example(const std::string& name) { return std::string(LAYERNAS_EXAMPLES) + "/" + name + ".yaml"; }

// The id of the default architecture.
std::string DefaultId(const std::string& example) {
  const std::string csv = RunCount({Example(example), "-o", "csv"}).out;
  const std::size_t line = csv.find('\n') + 1;
  return csv.substr(line, csv.find(',', line) - line);
}

TEST(CountCommand, PrintsTheDefaultArchitecture) {
  const Outcome done = RunCount({Example("mobilenet_v2"), "-o", "csv"});
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, StartsWith("architecture,params,multiply_adds\n"));
  EXPECT_THAT(done.out, HasSubstr(",3504872,"));
  EXPECT_THAT(RunCount({Example("mobilenet_v2"), "-o", "json"}).out, HasSubstr("\"params\": 3504872"));
}

TEST(CountCommand, CountsTheArchitecturesOfAFile) {
  const auto path = std::filesystem::temp_directory_path() / ("layernas-count-" + std::to_string(getpid()));
  std::ofstream(path) << "000000\n\n444444\n";
  const Outcome done = RunCount({Example("nats_bench_topology"), "--architectures", path.string(), "-o", "csv"});
  EXPECT_EQ(done.code, ExitCode::kOk) << done.err;
  EXPECT_THAT(done.out, HasSubstr("\n000000,73306,7783040\n444444,"));
  std::ofstream(path) << "000000\n000005\n";
  std::filesystem::remove(path);
}

TEST(CountCommand, ALineThatIsNoArchitectureCostsNoOther) {
  const auto path = std::filesystem::temp_directory_path() / ("layernas-count-wrong-" + std::to_string(getpid()));
  std::ofstream(path) << "000000\n000005\n444444\n";
  for (const std::string format : {"table", "json", "csv"}) {
    const Outcome done = RunCount({Example("nats_bench_topology"), "--architectures", path.string(), "-o", format});
    EXPECT_EQ(done.code, ExitCode::kUsage) << format;
    EXPECT_THAT(done.err, HasSubstr(":2: \"000005\" is not an architecture of the space")) << format;
    EXPECT_THAT(done.out, AllOf(HasSubstr("000000"), HasSubstr("444444"))) << format;
  }
  {
    std::ofstream file(path);
    for (int i = 0; i < 15; ++i) file << "wrong\n";
  }
  EXPECT_THAT(RunCount({Example("nats_bench_topology"), "--architectures", path.string()}).err,
              AllOf(HasSubstr(":10: "), Not(HasSubstr(":11: ")), HasSubstr("5 more architectures cannot be counted")));
  std::filesystem::remove(path);
}

TEST(CountCommand, JsonIsADocumentWhateverEndsIt) {
  const auto path = std::filesystem::temp_directory_path() / ("layernas-count-json-" + std::to_string(getpid()));
  std::ofstream(path) << "000000\nwrong\n" << std::string((1 << 20) + 1, '0') << '\n';
  const Outcome done = RunCount({Example("nats_bench_topology"), "--architectures", path.string(), "-o", "json"});
  EXPECT_EQ(done.code, ExitCode::kUsage);
  EXPECT_THAT(done.err, HasSubstr(":3: longer than 1048576 bytes"));
  const auto counts = nlohmann::json::parse(done.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_FALSE(counts.is_discarded()) << done.out;
  EXPECT_EQ(counts["counts"].size(), 1U);
  std::filesystem::remove(path);
}

TEST(CountCommand, NoArchitecturesAreAnEmptyTable) {
  EXPECT_THAT(RunCount({Example("nats_bench_topology"), "--architectures", "/dev/null"}).out,
              AllOf(StartsWith("architecture"), HasSubstr("multiply_adds")));
}

TEST(CountCommand, AFileThatCannotBeLookedAtIsAnError) {
  const Outcome done = RunCount({Example("nats_bench_topology"), "--architectures", std::string(300, 'a')});
  EXPECT_EQ(done.code, ExitCode::kError);
  EXPECT_THAT(done.err, HasSubstr("aaa: File name too long"));
}

TEST(CountCommand, CountsAllOfASmallSpaceAndRefusesABigOne) {
  const Outcome all = RunCount({Example("shapes10"), "--architectures", "all", "-o", "csv"});
  EXPECT_EQ(all.code, ExitCode::kOk) << all.err;
  EXPECT_EQ(std::count(all.out.begin(), all.out.end(), '\n'), 1 + 4'096);
  const Outcome big = RunCount({Example("mobilenet_v2"), "--architectures", "all"});
  EXPECT_NE(big.code, ExitCode::kOk);
  EXPECT_THAT(big.err, HasSubstr("list the architectures to count in a file"));
}

TEST(CountCommand, AFileWithoutLinesIsRefused) {
  const Outcome done = RunCount({Example("mobilenet_v2"), "--architectures", "/dev/zero"});
  EXPECT_EQ(done.code, ExitCode::kUsage);
  EXPECT_THAT(done.err, HasSubstr("/dev/zero:1: longer than 1048576 bytes: write one id per line"));
}

TEST(CountCommand, ATableThatWouldFillTheMemoryIsRefused) {
  const auto path = std::filesystem::temp_directory_path() / ("layernas-count-many-" + std::to_string(getpid()));
  const std::string id = DefaultId("mobilenet_v2");
  {
    std::ofstream file(path);
    for (int i = 0; i < 100'001; ++i) file << id << '\n';
  }
  const Outcome done = RunCount({Example("mobilenet_v2"), "--architectures", path.string()});
  EXPECT_EQ(done.code, ExitCode::kUsage);
  EXPECT_THAT(done.err, HasSubstr("a table can have at most 100000 rows: add -o csv or -o json"));
  EXPECT_EQ(done.out, "");
  std::filesystem::remove(path);
}

TEST(CountCommand, AnArchitectureThatCannotBeBuiltCostsNoOther) {
  const auto spec = std::filesystem::temp_directory_path() / ("layernas-count-spec-" + std::to_string(getpid()));
  std::ofstream(spec) << R"(name: small
space:
  network: { input: [3, 32, 32], classes: 10, stem_channels: 8, head_channels: 32 }
  layers:
    - { name: a, channels: 8, options: [skip, conv_k99, conv_k3] }
    - { name: b, channels: 16, stride: 2, options: [skip, conv_k3] }
objective: { cost: params, targets: [100] }
strategy: { guided_layernas: {} }
budget: { trainings: 6 }
)";
  const Outcome done = RunCount({spec.string(), "--architectures", "all", "-o", "csv"});
  EXPECT_EQ(done.code, ExitCode::kError);
  EXPECT_EQ(done.out,
            "architecture,params,multiply_adds\n00,1298,385344\n01,2322,647488\n20,1890,975168\n21,2914,1237312\n");
  EXPECT_THAT(done.err, HasSubstr("architecture 10: layer 'a': the kernel must be odd and from 1 to 31, but is 99\n"));
  std::filesystem::remove(spec);
}

}  // namespace
}  // namespace layernas::client
