// The client with a controller whose answers a test decides.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/client/call.h"
#include "tests/client/fake_controller.h"

namespace layernas::client {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

class ClientTest : public ::testing::Test {
 protected:
  // Runs the command with the fake controller's address.
  Outcome Call(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--controller", controller_.address()});
    return CallLocally(arguments);
  }

  std::string WriteSpec(const std::string& yaml) {
    const std::string path = ::testing::TempDir() + "layernas_client_test.yaml";
    std::ofstream(path) << yaml;
    return path;
  }

  void AnswerGet(const v1::Search& search) {
    controller_.get = [search](const auto& request, auto& response) {
      if (request.name() != search.name())
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "no search " + request.name());
      *response.mutable_search() = search;
      return grpc::Status::OK;
    };
  }

  FakeController controller_;
};

inline v1::Search RunningSearch() {
  return Parse<v1::Search>(R"pb(
    name: "searches/shapes10-1"
    spec {
      space {
        layers {
          name: "a"
          options { name: "x" }
          options { name: "y" }
        }
      }
      objective { reward: "accuracy" cost: "latency_ms" targets: 0.8 }
    }
    state: SEARCH_STATE_RUNNING
    progress { stage: 0 stage_count: 1 layer: "a" trainings: 1 trainings_budget: 5 }
    sequence: 1
  )pb");
}

inline v1::Search EndedSearch(v1::SearchState state) {
  v1::Search search = RunningSearch();
  search.set_state(state);
  search.set_state_reason("because");
  return search;
}

}  // namespace layernas::client
