// Tests the whole client, argument by argument, with a controller whose answers the test decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/client/client_fixture.h"

namespace layernas::client {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSpec[] = R"(name: shapes10
space:
  layers:
    - {name: a, options: [x, y]}
objective: {cost: latency_ms}
strategy: {layernas: {}}
)";

v1::WatchSearchResponse Change(std::uint64_t sequence, const v1::Search& search) {
  v1::WatchSearchResponse change;
  change.set_sequence(sequence);
  *change.mutable_search() = search;
  return change;
}

v1::WatchSearchResponse Change(std::uint64_t sequence, int candidate, v1::CandidateState state) {
  v1::WatchSearchResponse change;
  change.set_sequence(sequence);
  change.mutable_candidate()->set_name("searches/shapes10-1/candidates/" + std::to_string(candidate));
  change.mutable_candidate()->mutable_architecture()->set_id("0");
  change.mutable_candidate()->set_state(state);
  change.mutable_candidate()->set_reward(0.5);
  change.mutable_candidate()->set_cost(0.25);
  return change;
}

TEST_F(ClientTest, AnUnreachableControllerIsSaidSo) {
  std::string address;
  {
    const FakeController gone;
    address = gone.address();
  }
  const Outcome outcome = CallLocally({"search", "list", "--controller", address});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_EQ(outcome.err, "layernas: cannot reach the controller at " + address +
                             " (connection refused); start layernas-controller, or set --controller or "
                             "LAYERNAS_CONTROLLER\n");
}

TEST_F(ClientTest, WrongArgumentsAreUsageErrors) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"serach"},
                                             {"search"},
                                             {"search", "get"},
                                             {"search", "get", "Not A Name"},
                                             {"search", "list", "-o", "xml"},
                                             {"search", "get", "a-1", "-o", "csv"},
                                             {"search", "candidates", "a-1", "--state", "happy"},
                                             {"search", "list", "--controller", "nowhere"},
                                             {"search", "list", "--", "--evaluator"},
                                             {"run", "--resume", "--data-dir", std::string(300, 'a')},
                                             {"validate", "spec.yaml", "--workers", "0"}}) {
    const Outcome outcome = CallLocally(arguments);
    EXPECT_EQ(outcome.code, ExitCode::kUsage) << ::testing::PrintToString(arguments);
    EXPECT_THAT(outcome.err, Not(IsEmpty()));
    EXPECT_THAT(outcome.out, IsEmpty());
  }
}

TEST_F(ClientTest, HelpHasExamples) {
  for (const char* command :
       {"submit", "list", "get", "watch", "pause", "resume", "cancel", "delete", "frontier", "candidates", "buckets"}) {
    const Outcome outcome = CallLocally({"search", command, "--help"});
    EXPECT_EQ(outcome.code, ExitCode::kOk);
    EXPECT_THAT(outcome.out, HasSubstr(std::string("Examples:\n  layernas search ") + command));
  }
}

TEST_F(ClientTest, ValidateSaysHowLargeTheSearchIs) {
  const std::string path = WriteSpec(kSpec);
  const Outcome outcome = CallLocally({"validate", path, "--workers", "2", "--seconds-per-training", "90"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_EQ(outcome.out, path +
                             " is valid\n"
                             "search             shapes10\n"
                             "layers             1\n"
                             "architectures      2\n"
                             "max trainings      2\n"
                             "reward             accuracy\n"
                             "cost               latency_ms, measured for each architecture\n"
                             "time               at most about 1m30s with 2 workers at 90 s per training\n");
}

TEST_F(ClientTest, ValidateCountsTheTrainingsOfTheWinners) {
  const std::string path = WriteSpec(
      std::string(kSpec) + "evaluation: {train: {epochs: 5}}\nfinal: {per_target: 2, epochs: 20, seeds: 3}\n");
  const Outcome outcome = CallLocally({"validate", path, "--seconds-per-training", "10"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("max trainings      2\n"
                                     "winners            6 more trainings at most, of 20 epochs\n"));
  // 2 + 6 x 20 / 5 trainings.
  EXPECT_THAT(outcome.out, HasSubstr("at most about 4m20s with 1 worker"));
}

TEST_F(ClientTest, ValidateCountsOnlyTheTrainingsThatRunAtOnce) {
  const std::string path = WriteSpec(std::string(kSpec) + "sharing: {max_running: 1}\n");
  const Outcome outcome = CallLocally({"validate", path, "--workers", "8", "--seconds-per-training", "90"});
  EXPECT_THAT(outcome.out, HasSubstr("at most about 3m00s with 8 workers (1 running at most) at 90 s per training\n"));
  EXPECT_THAT(CallLocally({"validate", path, "--workers", "8", "--seconds-per-training", "90", "-o", "yaml"}).out,
              HasSubstr("workers: 8\nseconds_per_training: 90.0\nmost_seconds: 180.0\n"));
  EXPECT_THAT(CallLocally({"validate", path, "-o", "json"}).out, Not(HasSubstr("most_seconds")));
}

TEST_F(ClientTest, ValidatePrintsEveryMistakeWithItsPlace) {
  const std::string path = WriteSpec(std::string(kSpec) + "budgte: 5\nevaluation: {attempts: 0}\n");
  const Outcome outcome = CallLocally({"validate", path});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_EQ(outcome.err, path + ":7:1: budgte: unknown field; did you mean 'budget'?\n" + path +
                             ":8:24: evaluation.attempts: must be between 1 and 20, is 0\n");
}

TEST_F(ClientTest, SubmitSendsTheSpecOnce) {
  std::vector<v1::CreateSearchRequest> requests;
  controller_.create = [&](const auto& request, auto& response) {
    requests.push_back(request);
    *response.mutable_search() = RunningSearch();
    return grpc::Status::OK;
  };
  const Outcome outcome = Call({"search", "submit", WriteSpec(kSpec)});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("submitted searches/shapes10-1\n"));
  ASSERT_EQ(requests.size(), 1);
  EXPECT_EQ(requests[0].spec().space().layers(0).options(1).name(), "y");
  EXPECT_THAT(requests[0].request_id(), Not(IsEmpty()));
}

TEST_F(ClientTest, SubmitRepeatsALostCallWithTheSameId) {
  std::vector<std::string> ids;
  controller_.create = [&](const auto& request, auto& response) {
    ids.push_back(request.request_id());
    if (ids.size() == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "shutting down");
    *response.mutable_search() = RunningSearch();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"search", "submit", WriteSpec(kSpec)}).code, ExitCode::kOk);
  ASSERT_EQ(ids.size(), 2);
  EXPECT_EQ(ids[0], ids[1]);
}

TEST_F(ClientTest, SubmitPlacesWhatTheControllerRefuses) {
  controller_.create = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                        "objective.cost: is not to our taste\nspace.layers[0].options[1].name: neither\nand: more");
  };
  const std::string path = WriteSpec(kSpec);
  const Outcome outcome = Call({"search", "submit", path});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_EQ(outcome.err, "layernas: the controller rejected the spec:\n" + path +
                             ":5:19: objective.cost: is not to our taste\n" + path +
                             ":4:30: space.layers[0].options[1].name: neither\nand: more\n");
}

TEST_F(ClientTest, AnUnknownSearchIsAnError) {
  AnswerGet(RunningSearch());
  const Outcome outcome = Call({"search", "get", "other-1"});
  EXPECT_EQ(outcome.code, ExitCode::kError);
  EXPECT_EQ(outcome.err, "layernas: no search searches/other-1\n");
}

TEST_F(ClientTest, GetShowsWhatTheSearchWaitsFor) {
  v1::Search search = RunningSearch();
  search.set_waiting_for("a worker with device=gpu");
  AnswerGet(search);
  EXPECT_THAT(Call({"search", "get", "searches/shapes10-1"}).out,
              HasSubstr("waiting for   a worker with device=gpu\n"));
}

TEST_F(ClientTest, ListGathersThePages) {
  controller_.list = [](const auto& request, auto& response) {
    response.add_searches()->set_name(request.page_token().empty() ? "searches/b-2" : "searches/a-1");
    response.set_next_page_token(request.page_token().empty() ? "next" : "");
    return grpc::Status::OK;
  };
  EXPECT_THAT(Call({"search", "list", "-o", "csv"}).out,
              AllOf(HasSubstr("name,state,trainings,"), HasSubstr("\nb-2,"), HasSubstr("\na-1,")));
  const Outcome limited = Call({"search", "list", "--limit", "1", "-o", "csv"});
  EXPECT_THAT(limited.out, Not(HasSubstr("\na-1,")));
  EXPECT_EQ(limited.err, "listed only the newest 1; --limit 0 lists all\n");
}

TEST_F(ClientTest, StateCommandsSayWhatCameOfThem) {
  controller_.pause = [](const auto&, auto& response) {
    response.mutable_search()->set_state(v1::SEARCH_STATE_PAUSED);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"search", "pause", "shapes10-1"}).out, "searches/shapes10-1 is paused\n");
  controller_.remove = [](const auto&, auto&) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "it still runs: cancel it first");
  };
  const Outcome refused = Call({"search", "delete", "shapes10-1"});
  EXPECT_EQ(refused.code, ExitCode::kError);
  EXPECT_EQ(refused.err, "layernas: it still runs: cancel it first\n");
}

TEST_F(ClientTest, WatchEndsWithTheSearchAndItsExitCode) {
  AnswerGet(RunningSearch());
  for (const auto& [state, code] :
       std::vector<std::pair<v1::SearchState, ExitCode>>{{v1::SEARCH_STATE_SUCCEEDED, ExitCode::kOk},
                                                         {v1::SEARCH_STATE_FAILED, ExitCode::kSearchFailed},
                                                         {v1::SEARCH_STATE_CANCELLED, ExitCode::kSearchCancelled}}) {
    controller_.watch = [end = state](const auto&, auto& writer) {
      writer.Write(Change(1, RunningSearch()));
      writer.Write(Change(2, 1, v1::CANDIDATE_STATE_LEASED));
      writer.Write(Change(3, 1, v1::CANDIDATE_STATE_SUCCEEDED));
      writer.Write(Change(4, EndedSearch(end)));
      return grpc::Status::OK;
    };
    const Outcome outcome = Call({"search", "watch", "shapes10-1"});
    EXPECT_EQ(outcome.code, code) << outcome.err;
    std::vector<std::string> lines;
    std::istringstream in(outcome.out);
    // Removes the time of day and its zone.
    for (std::string line; std::getline(in, line);) lines.push_back(line.substr(16));
    EXPECT_THAT(lines, ElementsAre("search shapes10-1 is running", "stage 0/1 a",
                                   "candidate 1  0  succeeded  accuracy=0.5  latency_ms=0.25",
                                   AllOf(StartsWith("search shapes10-1 "), HasSubstr(": because"))));
  }
}

TEST_F(ClientTest, WatchGoesOnWhereTheConnectionBroke) {
  AnswerGet(RunningSearch());
  std::vector<std::uint64_t> asked;
  controller_.watch = [&](const auto& request, auto& writer) {
    asked.push_back(request.after_sequence());
    if (asked.size() == 1) {
      writer.Write(Change(1, RunningSearch()));
      writer.Write(Change(2, 1, v1::CANDIDATE_STATE_SUCCEEDED));
    } else if (asked.size() == 4) {
      writer.Write(Change(3, 2, v1::CANDIDATE_STATE_FAILED));
      writer.Write(Change(4, EndedSearch(v1::SEARCH_STATE_SUCCEEDED)));
      return grpc::Status::OK;
    }
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting");
  };
  const Outcome outcome = Call({"search", "watch", "shapes10-1"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_THAT(asked, ElementsAre(0, 2, 2, 2));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("candidate 1 "), HasSubstr("candidate 2 ")));
  EXPECT_EQ(outcome.err,
            "the connection to the controller at " + controller_.address() + " was lost; retrying…\nreconnected\n");
}

TEST_F(ClientTest, WatchShowsAllOfTheFeedThoughItEndsEarly) {
  AnswerGet(RunningSearch());
  int calls = 0;
  controller_.watch = [&](const auto&, auto& writer) {
    if (++calls == 1) {
      // The feed contains the current state of the search, which may be the final one, before older
      // candidates.
      writer.Write(Change(1, EndedSearch(v1::SEARCH_STATE_SUCCEEDED)));
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting");
    }
    writer.Write(Change(2, 1, v1::CANDIDATE_STATE_SUCCEEDED));
    return grpc::Status::OK;
  };
  const Outcome outcome = Call({"search", "watch", "shapes10-1"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_THAT(outcome.out, HasSubstr("candidate 1 "));
}

TEST_F(ClientTest, WatchGivesUpOnASearchThatIsGone) {
  AnswerGet(RunningSearch());
  controller_.watch = [](const auto&, auto& writer) {
    writer.Write(Change(1, RunningSearch()));
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "deleted meanwhile");
  };
  const Outcome outcome = Call({"search", "watch", "shapes10-1"});
  EXPECT_EQ(outcome.code, ExitCode::kError);
  EXPECT_EQ(outcome.err, "layernas: deleted meanwhile\n");
}

TEST_F(ClientTest, WatchAsJsonIsOneObjectPerLine) {
  AnswerGet(RunningSearch());
  controller_.watch = [](const auto&, auto& writer) {
    v1::WatchSearchResponse snapshot;
    snapshot.set_sequence(7);
    *snapshot.mutable_snapshot() = RunningSearch();
    writer.Write(snapshot);
    writer.Write(Change(8, EndedSearch(v1::SEARCH_STATE_SUCCEEDED)));
    return grpc::Status::OK;
  };
  std::istringstream in(Call({"search", "watch", "shapes10-1", "-o", "json"}).out);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  EXPECT_THAT(lines,
              ElementsAre(StartsWith(R"({"sequence":"7","snapshot":{)"), StartsWith(R"({"sequence":"8","search":{)")));
  EXPECT_THAT(lines, Each(EndsWith("}")));
}

TEST_F(ClientTest, UpdateChangesOnlyWhatIsGiven) {
  controller_.update = [](const v1::UpdateSearchRequest& request, v1::UpdateSearchResponse& response) {
    EXPECT_EQ(request.name(), "searches/shapes10-1");
    EXPECT_EQ(request.sharing().weight(), 2.5);
    EXPECT_FALSE(request.sharing().has_priority());
    EXPECT_TRUE(request.sharing().has_max_running());
    v1::Sharing& sharing = *response.mutable_search()->mutable_spec()->mutable_sharing();
    sharing = request.sharing();
    sharing.set_priority(-1);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"search", "update", "shapes10-1", "--weight", "2.5", "--max-running", "8"}).out,
            "searches/shapes10-1 has weight 2.5, priority -1, at most 8 running\n");
  const Outcome nothing = Call({"search", "update", "shapes10-1"});
  EXPECT_NE(nothing.code, ExitCode::kOk);
  EXPECT_THAT(nothing.err, HasSubstr("--weight"));
}

TEST_F(ClientTest, RunSaysWhichProgramIsMissing) {
  const Outcome outcome = CallLocally({"run", WriteSpec(kSpec)});
  EXPECT_EQ(outcome.code, ExitCode::kError);
  EXPECT_THAT(outcome.err, HasSubstr("/nonexistent/layernas-controller"));
}

}  // namespace
}  // namespace layernas::client
