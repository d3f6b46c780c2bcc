// Tests compare and wait, and how searches may be named.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/utf8.h"
#include "tests/client/call.h"
#include "tests/client/fake_controller.h"

namespace layernas::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
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
      // x-2 is always cheaper, but lacks the best candidate.
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
  EXPECT_EQ(unknown.err, "layernas: no search has the name z; 'layernas search list' lists the searches\n");
}

TEST_F(CommandsTest, NoSpecsNameHidesASearch) {
  // Search 23 of the spec x, search 40 of the spec x-23, and a spec whose name looks numbered.
  searches_ = {MakeSearch("x-23-40", v1::SEARCH_STATE_SUCCEEDED), MakeSearch("x-23", v1::SEARCH_STATE_FAILED),
               MakeSearch("net-50-7", v1::SEARCH_STATE_RUNNING)};
  EXPECT_THAT(Call({"search", "get", "x-23"}).out, HasSubstr("name          searches/x-23\n"));
  EXPECT_THAT(Call({"search", "get", "net-50"}).out, HasSubstr("name          searches/net-50-7\n"));
  EXPECT_EQ(Call({"search", "get", "searches/net-50"}).code, ExitCode::kError);
}

// A controller refuses the form of these as the name of a search.
TEST_F(CommandsTest, ASpecsNameMayEndWithWhatIsNoNumberOfASearch) {
  searches_ = {MakeSearch("exp-01-4", v1::SEARCH_STATE_RUNNING), MakeSearch("exp-0-5", v1::SEARCH_STATE_RUNNING),
               MakeSearch("exp-99999999999999999999-6", v1::SEARCH_STATE_RUNNING)};
  for (const std::string spec : {"exp-01", "exp-0", "exp-99999999999999999999"}) {
    EXPECT_THAT(Call({"search", "get", spec}).out, HasSubstr("name          searches/" + spec + "-")) << spec;
    EXPECT_THAT(Call({"search", "delete", spec}).err, HasSubstr("is the name of a spec, not of a search")) << spec;
  }
}

TEST_F(CommandsTest, WhatCannotBeUndoneWantsTheFullName) {
  std::vector<std::string> deleted;
  controller_.remove = [&](const v1::DeleteSearchRequest& request, v1::DeleteSearchResponse&) {
    deleted.push_back(request.name());
    return grpc::Status::OK;
  };
  const Outcome refused = Call({"search", "delete", "x"});
  EXPECT_EQ(refused.code, ExitCode::kUsage);
  EXPECT_EQ(refused.err,
            "layernas: 'x' is the name of a spec, not of a search: give the full name, such as x-2, or use --newest\n");
  EXPECT_EQ(Call({"search", "cancel", "x"}).code, ExitCode::kUsage);
  EXPECT_THAT(deleted, ::testing::IsEmpty());
  EXPECT_EQ(Call({"search", "delete", "x-1"}).code, ExitCode::kOk);
  EXPECT_EQ(Call({"search", "delete", "--newest", "x"}).code, ExitCode::kOk);
  EXPECT_THAT(deleted, ::testing::ElementsAre("searches/x-1", "searches/x-2"));
}

TEST_F(CommandsTest, WhatCannotBeUndoneIsAskedOnATerminal) {
  int deleted = 0;
  controller_.remove = [&](const auto&, auto&) {
    ++deleted;
    return grpc::Status::OK;
  };
  const auto ask = [&](const std::string& answer, std::vector<std::string> more) {
    std::ostringstream out;
    std::ostringstream err;
    std::istringstream in(answer);
    more.insert(more.begin(), {"search", "delete", "x-2", "--controller", controller_.address()});
    const ExitCode code = RunClient(more, Terminal{out, err, false, false, &in}, "/nonexistent");
    return std::pair(code, out.str());
  };
  for (const char* no : {"", "n\n", "\n", "yesterday\n"}) {
    const auto [code, out] = ask(no, {});
    EXPECT_EQ(code, ExitCode::kError) << no;
    EXPECT_EQ(out, "x-2 has succeeded with 0 trainings. Delete it with all its results? [y/N] ");
  }
  EXPECT_EQ(deleted, 0);
  EXPECT_EQ(ask("y\n", {}).first, ExitCode::kOk);
  EXPECT_EQ(ask("", {"--yes"}), std::pair(ExitCode::kOk, std::string("searches/x-2 is deleted\n")));
  EXPECT_EQ(deleted, 2);
}

// A candidate in each state. A metric and a layer have the names of columns.
class CandidatesTest : public CommandsTest {
 protected:
  CandidatesTest() {
    searches_ = {MakeSearch("x-1", v1::SEARCH_STATE_SUCCEEDED)};
    for (const char* layer : {"stage", "cost"})
      searches_[0].mutable_spec()->mutable_space()->add_layers()->set_name(layer);
    controller_.candidates = [](const auto&, auto& response) {
      Add(response, 1, v1::CANDIDATE_STATE_SUCCEEDED, 0.75, 2);
      Add(response, 2, v1::CANDIDATE_STATE_STOPPED, 0.625, 3);
      Add(response, 3, v1::CANDIDATE_STATE_SKIPPED, 0, 9);
      Add(response, 4, v1::CANDIDATE_STATE_FAILED, 0, 0);
      return grpc::Status::OK;
    };
  }

  static void Add(v1::ListCandidatesResponse& response, int number, v1::CandidateState state, double reward,
                  double cost) {
    v1::Candidate& candidate = *response.add_candidates();
    candidate.set_name("searches/x-1/candidates/" + std::to_string(number));
    candidate.set_state(state);
    candidate.set_reward(reward);
    candidate.set_cost(cost);
    candidate.mutable_architecture()->set_id("01");
    for (const char* option : {"a", "b"}) candidate.mutable_architecture()->add_layers()->set_option(option);
    (*candidate.mutable_metrics())["worker"] = 7;
  }
};

TEST_F(CandidatesTest, ShowWhatIsKnownAndMarkWhatIsEstimated) {
  const std::string table = Call({"search", "candidates", "x-1"}).out;
  EXPECT_EQ(table,
            "candidate  architecture  state      pass  stage  attempt  worker  latency_ms  accuracy  metric_worker\n"
            "1          01            succeeded     0      0        0  -                2      0.75              7\n"
            "2          01            stopped       0      0        0  -                3    ~0.625              7\n"
            "3          01            skipped       0      0        0  -                9         -              7\n"
            "4          01            failed        0      0        0  -                -         -              7\n");
  const std::string csv = Call({"search", "candidates", "x-1", "-o", "csv", "--layers"}).out;
  EXPECT_EQ(csv,
            "candidate,architecture,state,pass,stage,attempt,worker,latency_ms,accuracy,metric_worker,layer_stage,cost,"
            "created,started,ended,last failure,trained as,reward estimate\n"
            "1,01,succeeded,0,0,0,,2,0.75,7,a,b,,,,,,\n"
            "2,01,stopped,0,0,0,,3,,7,a,b,,,,,,0.625\n"
            "3,01,skipped,0,0,0,,9,,7,a,b,,,,,,\n"
            "4,01,failed,0,0,0,,,,7,a,b,,,,,,\n");
  const std::string json = Call({"search", "candidates", "x-1", "-o", "json"}).out;
  EXPECT_THAT(json, HasSubstr(R"("reward":0.75,"cost":2,)"));
  EXPECT_THAT(json, HasSubstr(R"("reward":null,"cost":3,)"));
  EXPECT_THAT(json, HasSubstr(R"("reward_estimate":0.625)"));
  EXPECT_THAT(json, HasSubstr(R"("reward":null,"cost":9,)"));
  EXPECT_THAT(json, HasSubstr(R"("reward":null,"cost":null,)"));
}

TEST_F(CommandsTest, ColumnsOfTheFrontierStayApart) {
  searches_[0].mutable_spec()->mutable_space()->add_layers()->set_name("latency_ms");
  controller_.frontier = [](const auto&, auto& response) {
    v1::FrontierPoint& point = *response.add_points();
    point.set_reward(0.75);
    point.set_cost(2);
    point.set_candidate("searches/x-2/candidates/7");
    point.mutable_architecture()->set_id("0");
    point.mutable_architecture()->add_layers()->set_option("a");
    (*point.mutable_metrics())["architecture"] = 3;
    (*point.mutable_metrics())["candidate"] = 4;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"search", "frontier", "x-2", "--layers", "-o", "csv"}).out,
            "best_for_targets,latency_ms,accuracy,architecture,candidate,metric_architecture,metric_candidate,"
            "layer_latency_ms\n"
            ",2,0.75,0,7,3,4,a\n");
}

TEST_F(CommandsTest, ASearchWithoutTargetsHasABestToo) {
  searches_[0].mutable_spec()->mutable_objective()->clear_targets();
  searches_[0].mutable_progress()->set_frontier_size(3);
  EXPECT_THAT(Call({"search", "list", "-o", "csv"}).out, HasSubstr("x-2,succeeded,0,,0.75,"));
}

TEST_F(CommandsTest, NothingThatAControllerSaysSteersTheTerminal) {
  // A control sequence, a control sequence of one character, and a mark that reverses the following
  // text.
  const std::string hostile =
      "no\x1b[2J search\xc2\x9b"
      "1m \xe2\x80\xaegnp\nsecond line";
  controller_.get = [&](const auto&, auto&) { return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, hostile); };
  EXPECT_EQ(Call({"search", "get", "x-1"}).err, "layernas: no?[2J search?1m ?gnp\nsecond line\n");
}

// A controller with hostile texts. The newest search of the spec x has a hostile name.
class HostileControllerTest : public CommandsTest {
 protected:
  HostileControllerTest() {
    searches_ = {MakeSearch("x-3", v1::SEARCH_STATE_FAILED)};
    v1::Search& search = searches_[0];
    search.set_name("searches/x-3" + kHostile);
    search.set_state_reason("every attempt failed: " + kHostile);
    search.set_waiting_for(kHostile);
    search.mutable_spec()->mutable_objective()->set_reward("accuracy" + kHostile);
    const auto changed = [this](const auto& /*request*/, auto& response) {
      *response.mutable_search() = searches_[0];
      return grpc::Status::OK;
    };
    controller_.create = changed;
    controller_.get = changed;
    controller_.pause = changed;
    controller_.update = changed;
    controller_.remove = [](const auto&, auto&) { return grpc::Status::OK; };
    controller_.candidates = [this](const auto&, auto& response) {
      *response.add_candidates() = MakeCandidate();
      return grpc::Status::OK;
    };
    controller_.buckets = [](const auto&, auto&) { return grpc::Status::OK; };
    controller_.log = [this](const auto&, auto& response) {
      response.set_worker("w" + kHostile);
      response.add_attempts(1);
      return grpc::Status::OK;
    };
    controller_.workers = [this](const auto&, auto& response) {
      v1::WorkerStatus& worker = *response.add_workers();
      worker.mutable_info()->set_id("w" + kHostile);
      worker.set_failures_in_a_row(1);
      worker.set_last_failure(kHostile);
      return grpc::Status::OK;
    };
    controller_.watch = [this](const auto&, auto& writer) {
      v1::WatchSearchResponse change;
      *change.mutable_candidate() = MakeCandidate();
      writer.Write(change);
      *change.mutable_search() = searches_[0];
      writer.Write(change);
      return grpc::Status::OK;
    };
  }

  v1::Candidate MakeCandidate() const {
    v1::Candidate candidate;
    candidate.set_name(searches_[0].name() + "/candidates/7" + kHostile);
    candidate.set_state(v1::CANDIDATE_STATE_FAILED);
    candidate.set_worker("w" + kHostile);
    candidate.mutable_architecture()->set_id("01" + kHostile);
    candidate.add_failures()->set_message("it said: " + kHostile);
    (*candidate.mutable_metrics())["m" + kHostile] = 1;
    return candidate;
  }

  // A control sequence, a control sequence of one character, and a mark that reverses the following
  // text.
  const std::string kHostile =
      "\x1b[2J\xc2\x9b"
      "1m\xe2\x80\xaegnp";
  static constexpr char kShown[] = "?[2J?1m?gnp";
};

TEST_F(HostileControllerTest, SteersTheTerminalByNoCommand) {
  const std::string spec = LAYERNAS_EXAMPLES "/shapes10.yaml";
  const std::string shown = std::string("x-3") + kShown;
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"search", "wait", "x"}, shown + " has failed: every attempt failed: " + kShown},
      {{"search", "compare", "x", "x"}, shown + " has failed, 0 trainings; "},
      {{"search", "compare", "x", "x", "-o", "json"}, R"("name": "searches/x-3\u001b[2J\u009b1m\u202egnp")"},
      {{"search", "compare", "x", "x", "-o", "yaml"}, "name: \"searches/x-3"},
      {{"search", "get", "x"}, shown},
      {{"search", "list"}, shown},
      {{"search", "watch", "x"}, "search " + shown + " has failed: every attempt failed: " + kShown},
      {{"search", "watch", "x", "-o", "json"}, R"("name":"searches/x-3\u001b[2J\u009b1m\u202egnp")"},
      {{"search", "update", "x", "--weight", "2"}, "searches/" + shown + " has weight "},
      {{"search", "pause", "x"}, "searches/" + shown + " has failed"},
      {{"search", "delete", "x", "--newest"}, "searches/" + shown + " is deleted"},
      {{"search", "submit", spec}, "submitted searches/" + shown},
      {{"search", "submit", spec, "--watch"}, "submitted searches/" + shown},
      {{"search", "frontier", "x"}, std::string("accuracy") + kShown},
      {{"search", "candidates", "x"}, std::string("it said: ") + kShown},
      {{"search", "buckets", "x"}, "no buckets"},
      {{"search", "logs", "x", "7"}, "candidate 7 of " + shown + ", attempt 0, by w" + kShown},
      {{"worker", "list"}, std::string("the last: ") + kShown},
      {{"report", "x", "-o", "-"}, "<title>" + shown},
      {{"report", "x"}, "wrote " + shown + ".html: 1 candidates"},
  };
  for (const auto& [arguments, text] : cases) {
    const Outcome outcome = Call(arguments);
    const std::string all = outcome.out + outcome.err;
    EXPECT_THAT(all, HasSubstr(text)) << ::testing::PrintToString(arguments);
    EXPECT_EQ(all, Printable(all, Unprintable::kMarkInLines)) << ::testing::PrintToString(arguments);
  }
  std::filesystem::remove(shown + ".html");
}

TEST_F(HostileControllerTest, SteersTheTerminalByNoQuestion) {
  std::ostringstream out;
  std::ostringstream err;
  std::istringstream in("n\n");
  const std::vector<std::string> arguments = {"search",   "delete",       "x",
                                              "--newest", "--controller", controller_.address()};
  EXPECT_EQ(RunClient(arguments, Terminal{out, err, false, false, &in}, "/nonexistent"), ExitCode::kError);
  EXPECT_EQ(out.str(),
            std::string("x-3") + kShown + " has failed with 0 trainings. Delete it with all its results? [y/N] ");
}

TEST_F(HostileControllerTest, SteersNoTerminalOfAnyKind) {
  const auto call = [this](std::vector<std::string> arguments, bool dumb) {
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{out, err};
    terminal.dumb = dumb;
    arguments.insert(arguments.end(), {"--controller", controller_.address()});
    EXPECT_EQ(RunClient(arguments, terminal, "/nonexistent"), ExitCode::kOk) << err.str();
    return out.str();
  };
  controller_.log = [this](const auto&, auto& response) {
    response.mutable_log()->set_tail("line " + kHostile + "\n");
    return grpc::Status::OK;
  };
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"search", "list", "-o", "csv"},
           {"search", "candidates", "x", "-o", "csv"},
           {"search", "frontier", "x", "-o", "csv"},
           {"search", "compare", "x", "x", "-o", "csv"},
           {"search", "logs", "x", "7"},
           {"worker", "list", "-o", "csv"},
       }) {
    EXPECT_THAT(call(arguments, true), HasSubstr(kShown)) << ::testing::PrintToString(arguments);
    EXPECT_THAT(call(arguments, true), Not(HasSubstr("\x1b"))) << ::testing::PrintToString(arguments);
    // Output for programs is not changed.
    EXPECT_THAT(call(arguments, false), HasSubstr(kHostile)) << ::testing::PrintToString(arguments);
  }
}

TEST_F(HostileControllerTest, SteersTheTerminalByNoRun) {
  namespace fs = std::filesystem;
  std::string pattern = ::testing::TempDir() + "layernas-run-test-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const fs::path folder = pattern;
  const auto write_program = [&folder](const char* name, const std::string& text) {
    std::ofstream(folder / name) << "#!/bin/sh\n" << text << "exec sleep 1000\n";
    fs::permissions(folder / name, fs::perms::owner_all);
  };
  const std::string data = folder / "data";
  write_program("layernas-controller",
                "echo '{\"address\": \"" + controller_.address() + "\"}' > " + data + "/ready.json\n");
  write_program("layernas-worker", "");
  controller_.list = [this](const auto&, auto& response) {
    v1::Search& search = *response.add_searches();
    search = searches_[0];
    search.set_state(v1::SEARCH_STATE_PAUSED);
    return grpc::Status::OK;
  };
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(RunClient({"run", LAYERNAS_EXAMPLES "/shapes10.yaml", "--data-dir", data, "--workers", "1"},
                      Terminal{out, err}, folder.string()),
            ExitCode::kSearchFailed)
      << err.str();
  fs::remove_all(folder);
  const std::string shown = std::string("x-3") + kShown;
  EXPECT_THAT(out.str(), HasSubstr("search " + shown + " has failed: every attempt failed: " + kShown));
  EXPECT_THAT(err.str(), StartsWith(shown + " in " + data + " is unfinished and stays paused"));
  for (const std::string& text : {out.str(), err.str()}) EXPECT_EQ(text, Printable(text, Unprintable::kMarkInLines));
}

TEST(Arguments, AreRefusedInWords) {
  const std::string folder = ::testing::TempDir();
  const std::string spec = LAYERNAS_EXAMPLES "/shapes10.yaml";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"search", "list", "--limit", "-1"}, "--limit: must be a whole number of at least 0, is '-1'\n"},
      {{"search", "candidates", "a-1", "--limit", "1e3"}, "--limit: must be a whole number of at least 0, is '1e3'\n"},
      {{"search", "logs", "a-1", "1", "--attempt", "x"}, "--attempt: must be a whole number of at least 0, is 'x'\n"},
      {{"search", "get", "a-1", "-o", "csv"}, "--output: must be json, table or yaml, is 'csv'\n"},
      {{"search", "list", "-o", "jsn"}, "--output: must be csv, json, table or yaml, is 'jsn'; did you mean 'json'?\n"},
      {{"search", "candidates", "a-1", "--state", "5"}, "--state: must be failed, "},
      {{"validate", spec, "--seconds-per-training", "nan"},
       "--seconds-per-training: must be a finite number above 0, is 'nan'\n"},
      {{"search", "update", "a-1", "--weight", "inf"}, "--weight: must be a finite number above 0, is 'inf'\n"},
      {{"search", "submit", spec, "--watch", "-o", "yaml"}, "layernas: --watch supports only -o table and -o json"},
      {{"count", spec, "--architectures", folder, "-o", "csv"},
       "layernas: cannot read " + folder + ": it is a directory"},
      {{"init", "shapes10", "--name", "Bad Name"}, "layernas: --name: must be lower-case letters"},
  };
  for (const auto& [arguments, message] : cases) {
    const Outcome outcome = CallLocally(arguments);
    EXPECT_EQ(outcome.code, ExitCode::kUsage) << ::testing::PrintToString(arguments);
    EXPECT_THAT(outcome.err, StartsWith(message)) << ::testing::PrintToString(arguments);
  }
  EXPECT_FALSE(std::filesystem::exists("Bad Name.yaml"));
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
  EXPECT_THAT(Call({"search", "compare", "x-1", "x-1", "-o", "csv"}).out,
              StartsWith("target,accuracy x-1 (A),accuracy x-1 (B),"));
}

TEST_F(CommandsTest, CompareRefusesWhatIsAboutOtherThings) {
  searches_[0].mutable_spec()->mutable_objective()->set_cost("params");
  EXPECT_THAT(Call({"search", "compare", "x-1", "x-2"}).err, HasSubstr("cannot compare the searches"));
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

}  // namespace
}  // namespace layernas::client
