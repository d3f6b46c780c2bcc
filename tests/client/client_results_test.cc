// Tests the commands that show candidates, frontiers, buckets, logs and workers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/client/client_fixture.h"

namespace layernas::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

v1::GetFrontierResponse FrontierOfTwo() {
  return Parse<v1::GetFrontierResponse>(R"pb(
    points {
      candidate: "searches/shapes10-1/candidates/2"
      architecture {
        id: "0"
        layers { name: "a" option: "x" }
      }
      reward: 0.7
      cost: 0.93
      metrics { key: "params" value: 7713280 }
      metrics { key: "accuracy" value: 0.7 }
      metrics { key: "latency_ms" value: 0.93 }
    }
    points {
      candidate: "searches/shapes10-1/candidates/1"
      architecture {
        id: "1"
        layers { name: "a" option: "y" }
      }
      reward: 0.8
      cost: 1.5
    }
    best {
      target: 0.8
      nearest { cost: 0.93 }
    }
    best {
      target: 1
      best {
        candidate: "searches/shapes10-1/candidates/2"
        architecture {
          id: "0"
          layers { name: "a" option: "x" }
        }
        reward: 0.7
        cost: 0.93
      }
    }
  )pb");
}

TEST_F(ClientTest, FrontierPutsTheTargetsFirst) {
  AnswerGet(RunningSearch());
  controller_.frontier = [](const auto&, auto& response) {
    response = FrontierOfTwo();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"search", "frontier", "shapes10-1", "--layers"}).out,
            "best per target\n"
            "target  latency_ms  accuracy  architecture  candidate  params  a\n"
            "     1        0.93       0.7  0             2          -       x\n"
            "nothing meets the target 0.8; the nearest costs 0.93\n"
            "\n"
            "frontier\n"
            "latency_ms  accuracy  architecture  candidate  params  a\n"
            "      0.93       0.7  0             2          7.713M  x\n"
            "       1.5       0.8  1             1               -  y\n");
  EXPECT_EQ(Call({"search", "frontier", "shapes10-1", "-o", "csv"}).out,
            "best_for_targets,latency_ms,accuracy,architecture,candidate,params\n"
            "1,0.93,0.7,0,2,7713280\n"
            ",1.5,0.8,1,1,\n");
}

// The cost comes from a table, and a training measured another one.
TEST_F(ClientTest, AMeasuredMetricWithTheNameOfAnotherCostIsShown) {
  AnswerGet(RunningSearch());
  controller_.frontier = [](const auto&, auto& response) {
    response = FrontierOfTwo();
    (*response.mutable_points(1)->mutable_metrics())["latency_ms"] = 1.75;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"search", "frontier", "shapes10-1", "-o", "csv"}).out,
            "best_for_targets,latency_ms,accuracy,architecture,candidate,metric_latency_ms,params\n"
            "1,0.93,0.7,0,2,0.93,7713280\n"
            ",1.5,0.8,1,1,1.75,\n");
  EXPECT_THAT(Call({"search", "frontier", "shapes10-1"}).out, HasSubstr("  metric_latency_ms  "));
  for (const double measured : {2.0, 2.5}) {
    controller_.candidates = [measured](const auto&, auto& response) {
      v1::Candidate& candidate = *response.add_candidates();
      candidate.set_name("searches/shapes10-1/candidates/1");
      candidate.set_state(v1::CANDIDATE_STATE_SUCCEEDED);
      candidate.set_cost(2);
      (*candidate.mutable_metrics())["latency_ms"] = measured;
      return grpc::Status::OK;
    };
    const std::string out = Call({"search", "candidates", "shapes10-1"}).out;
    EXPECT_EQ(out.find("metric_latency_ms") != std::string::npos, measured != 2) << out;
  }
}

TEST_F(ClientTest, CandidatesAreNotFetchedIfNobodyReadsThem) {
  AnswerGet(RunningSearch());
  int pages = 0;
  controller_.candidates = [&pages](const auto&, auto& response) {
    response.add_candidates();
    if (++pages < 5) response.set_next_page_token("more");
    return grpc::Status::OK;
  };
  std::ostream gone(nullptr);
  std::ostringstream err;
  RunClient({"search", "candidates", "shapes10-1", "-o", "json", "--controller", controller_.address()},
            Terminal{gone, err}, "/nonexistent");
  EXPECT_EQ(pages, 1);
}

TEST_F(ClientTest, FrontierSaysWhyNothingWasTrainedInFull) {
  v1::Search search = RunningSearch();
  search.mutable_spec()->mutable_final()->set_epochs(6);
  controller_.frontier = [](const auto&, auto& response) {
    response = FrontierOfTwo();
    return grpc::Status::OK;
  };
  AnswerGet(search);
  EXPECT_THAT(Call({"search", "frontier", "shapes10-1"}).out, Not(HasSubstr("in full")));
  search.set_state(v1::SEARCH_STATE_SUCCEEDED);
  AnswerGet(search);
  EXPECT_THAT(Call({"search", "frontier", "shapes10-1"}).out,
              EndsWith("\nno winner was trained in full: no target is met\n"));
}

TEST_F(ClientTest, CandidatesMayBeAskedForByState) {
  AnswerGet(RunningSearch());
  std::vector<int> states;
  controller_.candidates = [&](const auto& request, auto& response) {
    states.assign(request.states().begin(), request.states().end());
    *response.add_candidates() = Parse<v1::Candidate>(R"pb(
      name: "searches/shapes10-1/candidates/3"
      architecture { id: "1" }
      state: CANDIDATE_STATE_FAILED
      pass: 1
      stage: 1
      attempt: 3
      worker: "w1"
      failures { attempt: 3 message: "out of memory\nline 2" }
    )pb");
    return grpc::Status::OK;
  };
  const Outcome outcome = Call({"search", "candidates", "shapes10-1", "--state", "failed", "--state", "infeasible"});
  EXPECT_THAT(states, ElementsAre(v1::CANDIDATE_STATE_FAILED, v1::CANDIDATE_STATE_INFEASIBLE));
  EXPECT_EQ(
      outcome.out,
      "candidate  architecture  state   pass  stage  attempt  worker  latency_ms  accuracy  last failure\n"
      "3          1             failed     1      1        3  w1      -           -         out of memory | line 2\n");
  // The option does not take the name for a state.
  EXPECT_EQ(Call({"search", "candidates", "--state", "failed", "shapes10-1"}).out,
            Call({"search", "candidates", "shapes10-1", "--state", "failed"}).out);
  controller_.candidates = [](const auto&, auto&) { return grpc::Status::OK; };
  EXPECT_EQ(Call({"search", "candidates", "shapes10-1", "--state", "failed"}).out, "no candidates in that state\n");
}

TEST_F(ClientTest, CandidatesSayWhichAreTrainedAgain) {
  AnswerGet(RunningSearch());
  controller_.candidates = [&](const auto&, auto& response) {
    response = Parse<v1::ListCandidatesResponse>(R"pb(
      candidates {
        name: "searches/shapes10-1/candidates/3"
        architecture { id: "1" }
        state: CANDIDATE_STATE_SUCCEEDED
        metrics { key: "data_checksum" value: 3421780262 }
        metrics { key: "machine_fingerprint" value: 1977038056 }
      }
      candidates {
        name: "searches/shapes10-1/candidates/8"
        architecture { id: "1" }
        state: CANDIDATE_STATE_QUEUED
        repeat_of: "searches/shapes10-1/candidates/3"
        repeat: 1
      }
      candidates {
        name: "searches/shapes10-1/candidates/9"
        architecture { id: "1" }
        state: CANDIDATE_STATE_QUEUED
        final_of: "searches/shapes10-1/candidates/3"
      }
    )pb");
    return grpc::Status::OK;
  };
  const std::string out = Call({"search", "candidates", "shapes10-1"}).out;
  EXPECT_THAT(out, HasSubstr("  3421780262           1977038056  -\n"));
  EXPECT_THAT(out, HasSubstr("  repeat of 3\n"));
  EXPECT_THAT(out, HasSubstr("  final of 3\n"));
}

TEST_F(ClientTest, LogsArePrintedAsTheyAreAndWhatTheyAreAboutBeside) {
  v1::GetTaskLogRequest asked;
  controller_.log = [&](const auto& request, auto& response) {
    asked = request;
    response = Parse<v1::GetTaskLogResponse>(R"pb(
      attempt: 3
      worker: "w1"
      time { seconds: 1 }
      attempts: [ 2, 3 ]
      log { tail: "one\033[2J\ntwo\n" omitted_bytes: 1234 }
    )pb");
    return grpc::Status::OK;
  };
  const Outcome outcome = Call({"search", "logs", "shapes10-1", "7"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(asked.name(), "searches/shapes10-1/candidates/7");
  EXPECT_EQ(asked.attempt(), 0);
  EXPECT_EQ(outcome.out, "one\033[2J\ntwo\n");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("candidate 7 of shapes10-1, attempt 3 (of attempts 2, 3), by w1"),
                                 HasSubstr("1234 earlier bytes were not kept")));

  std::ostringstream out;
  std::ostringstream err;
  const std::vector<std::string> command = {
      "search", "logs", "shapes10-1", "searches/shapes10-1/candidates/7", "--controller", controller_.address()};
  EXPECT_EQ(RunClient(command, Terminal{out, err, /*interactive=*/true}, "/nonexistent"), ExitCode::kOk) << err.str();
  EXPECT_EQ(out.str(), "one?[2J\ntwo\n") << "a terminal is not steered by it";

  EXPECT_THAT(Call({"search", "logs", "shapes10-1", "7", "--attempt", "2", "-o", "json"}).out,
              HasSubstr("\"omitted_bytes\": \"1234\""));
  EXPECT_EQ(asked.attempt(), 2);
  for (const char* candidate : {"0", "x", "7x", "searches/other-1/candidates/7"}) {
    const Outcome wrong = Call({"search", "logs", "shapes10-1", candidate});
    EXPECT_EQ(wrong.code, ExitCode::kUsage) << candidate;
    EXPECT_THAT(wrong.err, HasSubstr("is not a candidate of shapes10-1"));
  }
}

TEST_F(ClientTest, BucketsShowEmptyOnesToo) {
  AnswerGet(RunningSearch());
  controller_.buckets = [](const auto&, auto& response) {
    response = Parse<v1::GetBucketsResponse>(R"pb(
      buckets { pass: 1 stage: 2 bucket: 0 lower: 0 upper: 0.5 }
      buckets {
        pass: 1
        stage: 2
        bucket: 1
        lower: 0.5
        upper: 1
        entries { candidate: "searches/shapes10-1/candidates/4" architecture_id: "1" reward: 0.7 cost: 0.6 }
      }
    )pb");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"search", "buckets", "shapes10-1", "-o", "csv"}).out,
            "pass,stage,bucket,from,below,latency_ms,accuracy,architecture,candidate,is_estimate\n"
            "1,2,0,0,0.5,,,,,\n"
            "1,2,1,0.5,1,0.6,0.7,1,4,false\n");
}

TEST_F(ClientTest, BucketsMarkEstimates) {
  AnswerGet(RunningSearch());
  controller_.buckets = [](const auto&, auto& response) {
    response = Parse<v1::GetBucketsResponse>(R"pb(
      buckets {
        pass: 1
        stage: 2
        upper: 1
        entries {
          candidate: "searches/shapes10-1/candidates/4"
          architecture_id: "1"
          reward: 0.7
          cost: 0.6
          is_estimate: true
        }
      }
    )pb");
    return grpc::Status::OK;
  };
  EXPECT_THAT(Call({"search", "buckets", "shapes10-1"}).out, HasSubstr("  ~0.7  "));
  EXPECT_THAT(Call({"search", "buckets", "shapes10-1", "-o", "csv"}).out, HasSubstr("0.6,0.7,1,4,true\n"));
  EXPECT_THAT(Call({"search", "buckets", "shapes10-1", "-o", "json"}).out, HasSubstr("\"is_estimate\": true"));
}

TEST_F(ClientTest, WorkersAreListed) {
  controller_.workers = [](const auto&, auto& response) {
    *response.add_workers() = Parse<v1::WorkerStatus>(R"pb(
      info {
        id: "gpu-1"
        labels { key: "device" value: "cuda" }
        labels { key: "a" value: "b" }
        slots: 2
        version: "0.1.0"
      }
      candidates: "searches/shapes10-1/candidates/3"
      since_heard { seconds: 4 }
    )pb");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call({"worker", "list"}).out,
            "worker  busy  slots  labels           version  heard from\n"
            "gpu-1      1      2  a=b device=cuda  0.1.0    4s ago\n");
}

TEST_F(ClientTest, WorkersInTroubleAreToldApart) {
  controller_.workers = [](const v1::ListWorkersRequest&, v1::ListWorkersResponse& response) {
    response = Parse<v1::ListWorkersResponse>(R"pb(
      workers {
        info { id: "a" slots: 1 version: "0.1.0" }
        failures_in_a_row: 3
        last_failure: "CUDA error\nat line 7"
        shunned_for { seconds: 24 nanos: 1 }
      }
      workers {
        info { id: "b" slots: 1 version: "0.1.0" }
        failures_in_a_row: 1
        last_failure: "killed"
      }
      workers { info { id: "c" slots: 1 version: "0.1.0" } })pb");
    return grpc::Status::OK;
  };
  const std::string out = Call({"worker", "list"}).out;
  EXPECT_THAT(out, HasSubstr("shunned for 25s: 3 failed in a row, the last: CUDA error\n"));
  EXPECT_THAT(out, HasSubstr("  1 failed in a row, the last: killed\n"));
}

TEST_F(ClientTest, TheFrontierIsReadToItsLastPage) {
  controller_.get = [](const v1::GetSearchRequest&, v1::GetSearchResponse& response) {
    response.mutable_search()->set_name("searches/shapes10-1");
    return grpc::Status::OK;
  };
  controller_.frontier = [](const v1::GetFrontierRequest& request, v1::GetFrontierResponse& response) {
    v1::FrontierPoint& point = *response.add_points();
    if (request.page_token().empty()) {
      point.set_candidate("searches/shapes10-1/candidates/3");
      response.set_next_page_token("next");
    } else {
      EXPECT_EQ(request.page_token(), "next");
      point.set_candidate("searches/shapes10-1/candidates/9");
    }
    return grpc::Status::OK;
  };
  const std::string out = Call({"search", "frontier", "shapes10-1", "-o", "json"}).out;
  EXPECT_THAT(out, HasSubstr("candidates/3"));
  EXPECT_THAT(out, HasSubstr("candidates/9"));
  EXPECT_THAT(out, HasSubstr(R"("next_page_token": "")"));
}

}  // namespace
}  // namespace layernas::client
