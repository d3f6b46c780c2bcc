// Tests the whole command `layernas count`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/client/call.h"

namespace layernas::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Outcome RunCount(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "count");
  return CallLocally(arguments);
}

std::string Example(const std::string& name) { return std::string(LAYERNAS_EXAMPLES) + "/" + name + ".yaml"; }

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
  const Outcome wrong = RunCount({Example("nats_bench_topology"), "--architectures", path.string()});
  EXPECT_NE(wrong.code, ExitCode::kOk);
  EXPECT_THAT(wrong.err, HasSubstr(":2: \"000005\" is not an architecture of the space"));
  std::filesystem::remove(path);
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

}  // namespace
}  // namespace layernas::client
