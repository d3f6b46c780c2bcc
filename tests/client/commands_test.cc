// The commands that came with reports: compare, wait, init, completion, man; and how searches may be named.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "client/spec/spec_reader.h"
#include "tests/client/call.h"
#include "tests/client/fake_controller.h"

namespace layernas::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

v1::Search MakeSearch(const std::string& name, v1::SearchState state) {
  v1::Search search;
  search.set_name("searches/" + name);
  search.set_state(state);
  search.mutable_spec()->set_name(name.substr(0, name.rfind('-')));
  search.mutable_spec()->mutable_objective()->set_reward("accuracy");
  search.mutable_spec()->mutable_objective()->set_cost("latency_ms");
  search.mutable_spec()->mutable_objective()->add_targets(2);
  return search;
}

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    searches_ = {MakeSearch("x-2", v1::SEARCH_STATE_SUCCEEDED), MakeSearch("y-1", v1::SEARCH_STATE_FAILED),
                 MakeSearch("x-1", v1::SEARCH_STATE_RUNNING)};
    controller_.list = [this](const auto&, auto& response) {
      for (const v1::Search& search : searches_) *response.add_searches() = search;
      return grpc::Status::OK;
    };
    controller_.get = [this](const auto& request, auto& response) {
      for (const v1::Search& search : searches_) {
        if (search.name() == request.name()) *response.mutable_search() = search;
      }
      return response.has_search() ? grpc::Status::OK : grpc::Status(grpc::StatusCode::NOT_FOUND, "no search");
    };
    controller_.frontier = [](const v1::GetFrontierRequest& request, v1::GetFrontierResponse& response) {
      // x-2 is cheaper throughout, and lacks what is best.
      const bool better = request.name() == "searches/x-2";
      for (const auto& [reward, cost] : {std::pair{0.5, 1.0}, {0.7, 2.0}, {0.9, 3.0}}) {
        if (better && reward > 0.8) continue;
        v1::FrontierPoint& point = *response.add_points();
        point.set_reward(reward + (better ? 0.05 : 0));
        point.set_cost(cost);
      }
      return grpc::Status::OK;
    };
  }

  Outcome Call(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--controller", controller_.address()});
    return CallLocally(arguments);
  }

  FakeController controller_;
  std::vector<v1::Search> searches_;
};

TEST_F(CommandsTest, ASpecsNameIsItsNewestSearch) {
  EXPECT_THAT(Call({"search", "get", "x"}).out, HasSubstr("x-2"));
  EXPECT_THAT(Call({"search", "get", "x-1"}).out, HasSubstr("x-1"));
  const Outcome unknown = Call({"search", "get", "z"});
  EXPECT_EQ(unknown.code, ExitCode::kError);
  EXPECT_EQ(unknown.err, "layernas: no search is called z; 'layernas search list' shows them\n");
}

TEST_F(CommandsTest, CompareSaysWhoIsBetterAtEachTarget) {
  const Outcome outcome = Call({"search", "compare", "x-1", "x-2"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out,
            "target  accuracy x-1  accuracy x-2  difference  latency_ms x-1  latency_ms x-2\n"
            "     2           0.7          0.75        0.05               2               2\n"
            "x-1 is running, 0 trainings; its frontier matches 0 of the 2 points of x-2\n"
            "x-2 has succeeded, 0 trainings; its frontier matches 2 of the 3 points of x-1\n");
  EXPECT_THAT(Call({"search", "compare", "x-1", "x-2", "-o", "yaml"}).out, HasSubstr("points_of_a_matched_by_b: 2\n"));
  EXPECT_THAT(Call({"search", "compare", "x-1", "x-2", "-o", "csv"}).out, StartsWith("target,accuracy x-1,"));
}

TEST_F(CommandsTest, CompareRefusesWhatIsAboutOtherThings) {
  searches_[0].mutable_spec()->mutable_objective()->set_cost("params");
  EXPECT_THAT(Call({"search", "compare", "x-1", "x-2"}).err, HasSubstr("they can't be compared"));
}

TEST_F(CommandsTest, WaitEndsWithTheSearchsExitCode) {
  EXPECT_EQ(Call({"search", "wait", "x-2"}).code, ExitCode::kOk);
  EXPECT_EQ(Call({"search", "wait", "y-1"}).code, ExitCode::kSearchFailed);
  controller_.watch = [this](const auto&, auto& writer) {
    v1::WatchSearchResponse change;
    *change.mutable_search() = searches_[2];
    change.mutable_search()->set_state(v1::SEARCH_STATE_CANCELLED);
    writer.Write(change);
    return grpc::Status::OK;
  };
  const Outcome cancelled = Call({"search", "wait", "x-1"});
  EXPECT_EQ(cancelled.code, ExitCode::kSearchCancelled);
  EXPECT_EQ(cancelled.out, "x-1 was cancelled\n");
}

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
  EXPECT_THAT(again.err, HasSubstr("exists already"));
  EXPECT_EQ(CallLocally({"init", "nothing"}).code, ExitCode::kUsage);
}

TEST(ReferenceCommands, KnowEveryCommand) {
  const std::string folder = ::testing::TempDir() + "layernas_man_test";
  ASSERT_EQ(CallLocally({"man", folder}).code, ExitCode::kOk);
  for (const char* page : {"layernas.1", "layernas-search-submit.1", "layernas-report.1", "layernas-admin-backup.1"}) {
    std::ifstream file(folder + "/" + page);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_THAT(text.str(), StartsWith(".TH ")) << page;
    EXPECT_THAT(text.str(), HasSubstr(".SH EXAMPLES\n")) << page;
  }
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = CallLocally({"completion", shell}).out;
    EXPECT_THAT(script, HasSubstr("/search/frontier")) << shell;
    EXPECT_THAT(script, HasSubstr("table json csv yaml")) << shell;
  }
  EXPECT_EQ(CallLocally({"completion", "tcsh"}).code, ExitCode::kUsage);
}

}  // namespace
}  // namespace layernas::client
