// Tests `layernas init`, which writes the shipped examples as specs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <string>

#include "client/spec/spec_reader.h"
#include "tests/client/call.h"

namespace layernas::client {
namespace {

using ::testing::HasSubstr;

TEST(InitCommand, WritesEveryExampleAsASpecThatIsValid) {
  const std::string list = CallLocally({"init"}).out;
  std::size_t examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LAYERNAS_EXAMPLES)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string space = entry.path().stem().string();
    EXPECT_THAT(list, HasSubstr(space));
    const Outcome outcome = CallLocally({"init", space, "--name", "mine", "-o", "-"});
    EXPECT_EQ(outcome.code, ExitCode::kOk) << space;
    const SpecFile file = ReadSpecText("mine.yaml", outcome.out);
    EXPECT_TRUE(file.ok()) << space;
    EXPECT_EQ(file.spec.name(), "mine") << space;
    EXPECT_THAT(outcome.out, HasSubstr("# "));
    ++examples;
  }
  EXPECT_GT(examples, 5U);
}

TEST(InitCommand, OverwritesNothing) {
  const std::string path = ::testing::TempDir() + "layernas_init_test.yaml";
  std::filesystem::remove(path);
  EXPECT_EQ(CallLocally({"init", "shapes10", "-o", path}).code, ExitCode::kOk);
  const Outcome again = CallLocally({"init", "shapes10", "-o", path});
  EXPECT_EQ(again.code, ExitCode::kError);
  EXPECT_THAT(again.err, HasSubstr("already exists"));
  EXPECT_EQ(CallLocally({"init", "nothing"}).code, ExitCode::kUsage);
}

TEST(InitCommand, SaysWhyAFileCanNotBeWritten) {
  EXPECT_EQ(CallLocally({"init", "shapes10", "-o", "/nonexistent/x.yaml"}).err,
            "layernas: cannot write /nonexistent/x.yaml: No such file or directory\n");
}

}  // namespace
}  // namespace layernas::client
