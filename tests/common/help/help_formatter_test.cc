#include "common/help/help_formatter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/help/arguments.h"

namespace layernas {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HelpFormatterTest : public ::testing::Test {
 protected:
  HelpFormatterTest() { app_.formatter(std::make_shared<HelpFormatter>()); }

  CLI::App app_{"", "program"};
};

TEST_F(HelpFormatterTest, ShowsValueDefaultAndVariable) {
  std::string address = "127.0.0.1:7060";
  app_.add_option("--listen", address, "Where")->type_name("HOST:PORT")->capture_default_str()->envname("LISTEN");
  EXPECT_THAT(app_.help(), HasSubstr("  --listen HOST:PORT [127.0.0.1:7060] (env LISTEN)\n"));
}

TEST_F(HelpFormatterTest, LeavesOutThePartsThatAreNotGiven) {
  std::string folder;
  std::vector<std::string> labels;
  app_.add_option("--data-dir", folder, "Where")->type_name("DIR")->required();
  app_.add_option("--label", labels, "What")->type_name("KEY=VALUE")->capture_default_str();
  EXPECT_THAT(app_.help(), HasSubstr("  --data-dir DIR REQUIRED     Where\n"));
  EXPECT_THAT(app_.help(), HasSubstr("  --label KEY=VALUE           What\n"));
}

TEST_F(HelpFormatterTest, NamesNumbersSizesAndChoices) {
  int slots = 1;
  std::uint64_t bytes = 0;
  std::string level = "info";
  app_.add_option("--slots", slots, "Count")->check(CLI::Range(1, 9))->capture_default_str();
  app_.add_option("--limit", bytes, "Size")->transform(ByteSize());
  app_.add_option("--level", level, "Level")->check(CLI::IsMember({"debug", "info"}))->capture_default_str();
  EXPECT_THAT(app_.help(), HasSubstr("  --slots N [1]               Count\n"));
  EXPECT_THAT(app_.help(), HasSubstr("  --limit SIZE                Size\n"));
  EXPECT_THAT(app_.help(), HasSubstr("  --level debug|info [info]   Level\n"));
}

TEST_F(HelpFormatterTest, ShowsPositionalsByTheirNames) {
  std::string spec;
  std::string table;
  app_.add_option("SPEC", spec, "Spec file")->required();
  app_.add_option("TABLE", table, "Table");
  EXPECT_THAT(app_.help(), HasSubstr("  SPEC                        Spec file\n"));
  EXPECT_THAT(app_.help(), HasSubstr("  TABLE                       Table\n"));
}

TEST_F(HelpFormatterTest, LetsAnOptionTextReplaceTheRest) {
  int workers = 2;
  app_.add_option("--workers", workers, "Count")->option_text("N [one per core]");
  EXPECT_THAT(app_.help(), HasSubstr("  --workers N [one per core]  Count\n"));
  EXPECT_THAT(app_.help(), Not(HasSubstr("INT")));
}

}  // namespace
}  // namespace layernas
