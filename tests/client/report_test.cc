// Tests what a report computes, and that names are always text on its page.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "client/report/page.h"
#include "client/report/report_data.h"
#include "client/report/statistics.h"

namespace layernas::client {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(BestSoFar, KeepsWhatIsBetterThanAllBeforeAndMeetsTheTarget) {
  const std::vector<Score> scores = {{0.5, 3}, {0.9, 9}, {0.5, 1}, {0.4, 1}, {0.7, 5}, {0.6, 2}};
  EXPECT_THAT(BestSoFar(scores, 100), ElementsAre(0, 1));
  EXPECT_THAT(BestSoFar(scores, 5), ElementsAre(0, 4));
  EXPECT_THAT(BestSoFar(scores, 2), ElementsAre(2, 5));
  EXPECT_THAT(BestSoFar(scores, 0.5), IsEmpty());
}

TEST(BestSoFar, ASumThatIsRoundedMeetsItsTarget) {
  const std::vector<Score> scores = {{0.5, 0.25}, {0.9, 0.1 + 0.2}};
  EXPECT_THAT(BestSoFar(scores, 0.3), ElementsAre(0, 1));
}

TEST(GapsToFrontier, AreWhatTheFrontierOffersMoreAtNoMoreCost) {
  const std::vector<Score> frontier = {{0.5, 1}, {0.7, 2}, {0.9, 4}};
  const std::vector<Score> results = {{0.5, 1}, {0.7, 2}, {0.4, 2}, {0.6, 3.9}, {0.1, 9}, {0.2, 0.5}, {0.95, 4}};
  const std::vector<double> gaps = GapsToFrontier(frontier, results);
  const std::vector<double> expected = {0, 0, 0.3, 0.1, 0.8, 0, 0};
  ASSERT_EQ(gaps.size(), expected.size());
  for (std::size_t i = 0; i < gaps.size(); ++i) EXPECT_NEAR(gaps[i], expected[i], 1e-12) << i;
  EXPECT_THAT(GapsToFrontier({}, results), Each(0.0));
}

TEST(OptionEffects, GiveNoCreditForTheCompanyAnOptionWasIn) {
  // Only layer 0 matters. Layer 1's second option mostly came together with layer 0's good one.
  std::vector<std::vector<std::uint16_t>> choices;
  std::vector<Score> results;
  const auto add = [&](std::uint16_t first, std::uint16_t second, int times) {
    for (int i = 0; i < times; ++i) {
      choices.push_back({first, second});
      results.push_back({0.5 + 0.2 * first, 1.0 + 2.0 * first});
    }
  };
  add(0, 0, 90);
  add(0, 1, 10);
  add(1, 0, 10);
  add(1, 1, 90);
  const std::vector<std::size_t> options = {2, 3};
  const auto effects = OptionEffects(options, choices, results);
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_NEAR(effects[0][1].reward, 0.1, 0.01);
  EXPECT_NEAR(effects[0][0].reward, -0.1, 0.01);
  EXPECT_NEAR(effects[0][1].cost, 1.0, 0.1);
  EXPECT_NEAR(effects[1][1].reward, 0, 0.01);
  EXPECT_EQ(effects[1][0].results, 100U);
  EXPECT_EQ(effects[1][2].results, 0U);
  EXPECT_EQ(effects[1][2].reward, 0);
}

TEST(OptionEffects, FindTheModelThatMadeTheResults) {
  std::mt19937 random(1);
  const std::vector<std::vector<double>> truth = {{-0.2, 0.0, 0.2}, {0.1, -0.1}, {0.05, -0.15, 0.05, 0.05}};
  const std::vector<std::size_t> options = {3, 2, 4};
  std::vector<std::vector<std::uint16_t>> choices;
  std::vector<Score> results;
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::uint16_t> chosen;
    double reward = 0.6;
    for (std::size_t layer = 0; layer < options.size(); ++layer) {
      chosen.push_back(static_cast<std::uint16_t>(random() % options[layer]));
      reward += truth[layer][chosen.back()];
    }
    choices.push_back(chosen);
    results.push_back({reward, 1});
  }
  const auto effects = OptionEffects(options, choices, results);
  for (std::size_t layer = 0; layer < options.size(); ++layer) {
    for (std::size_t option = 0; option < options[layer]; ++option) {
      EXPECT_NEAR(effects[layer][option].reward, truth[layer][option], 0.002) << layer << ' ' << option;
      EXPECT_NEAR(effects[layer][option].cost, 0, 1e-12);
    }
  }
}

// Returns how many layers of a report on pure noise have an option that is marked as different.
int ToldApartOfNoise(unsigned seed, std::size_t layers, std::size_t options_each, int results_wanted) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise(0.7, 0.02);
  const std::vector<std::size_t> options(layers, options_each);
  std::vector<std::vector<std::uint16_t>> choices;
  std::vector<Score> results;
  for (int i = 0; i < results_wanted; ++i) {
    std::vector<std::uint16_t>& chosen = choices.emplace_back();
    for (std::size_t layer = 0; layer < layers; ++layer) {
      chosen.push_back(static_cast<std::uint16_t>(random() % options_each));
    }
    results.push_back({noise(random), 1});
  }
  int told_apart = 0;
  for (const auto& layer : OptionEffects(options, choices, results)) told_apart += ToldApart(layer).has_value() ? 1 : 0;
  return told_apart;
}

TEST(OptionEffects, OfNoiseNoneIsToldApart) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(ToldApartOfNoise(seed, 50, 6, 100), 0) << "100 results for 300 effects";
    EXPECT_EQ(ToldApartOfNoise(seed, 6, 4, 1000), 0);
    EXPECT_EQ(ToldApartOfNoise(seed, 6, 4, 10), 0);
    EXPECT_EQ(ToldApartOfNoise(seed, 1, 2, 3), 0);
  }
}

TEST(OptionEffects, WhatIsThereIsToldApart) {
  // Layer 0 has one best option, layer 1 has two equally good ones, and layer 2 does not matter.
  const std::vector<std::vector<double>> truth = {{-0.1, 0.0, 0.1}, {0.05, 0.05, -0.1}, {0, 0, 0}};
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 0.02);
  std::vector<std::vector<std::uint16_t>> choices;
  std::vector<Score> results;
  for (int i = 0; i < 300; ++i) {
    std::vector<std::uint16_t>& chosen = choices.emplace_back();
    double reward = 0.6 + noise(random);
    for (const std::vector<double>& layer : truth) {
      chosen.push_back(static_cast<std::uint16_t>(random() % 3));
      reward += layer[chosen.back()];
    }
    results.push_back({reward, 1});
  }
  const std::vector<std::size_t> options = {3, 3, 3};
  const auto effects = OptionEffects(options, choices, results);
  EXPECT_EQ(ToldApart(effects[0]), 2U);
  EXPECT_EQ(ToldApart(effects[1]), std::nullopt);
  EXPECT_EQ(ToldApart(effects[2]), std::nullopt);
  EXPECT_NEAR(effects[0][2].reward_margin, 0.006, 0.002);
  // Too few results, or only one option was tried.
  EXPECT_EQ(ToldApart(OptionEffects(options, std::span(choices).first(2), std::span(results).first(2))[0]),
            std::nullopt);
}

SearchData Data(int candidates) {
  SearchData data;
  EXPECT_TRUE(
      google::protobuf::TextFormat::ParseFromString(R"pb(
                                                      name: "searches/x-1"
                                                      spec {
                                                        name: "x"
                                                        space {
                                                          layers {
                                                            name: "a"
                                                            options { name: "p" }
                                                            options { name: "q" }
                                                          }
                                                          layers {
                                                            name: "b"
                                                            options { name: "p" }
                                                            options { name: "q" }
                                                          }
                                                        }
                                                        objective { reward: "accuracy" cost: "latency_ms" targets: 2 }
                                                        strategy { layernas {} }
                                                      }
                                                      state: SEARCH_STATE_RUNNING
                                                      progress { trainings: 3 succeeded: 3 }
                                                    )pb",
                                                    &data.search));
  for (int i = 1; i <= candidates; ++i) {
    v1::Candidate& candidate = data.candidates.emplace_back();
    candidate.set_name("searches/x-1/candidates/" + std::to_string(i));
    candidate.mutable_architecture()->set_id(i % 2 == 0 ? "01" : "10");
    candidate.set_state(v1::CANDIDATE_STATE_SUCCEEDED);
    candidate.set_reward(0.1 * i);
    candidate.set_cost(i);
    // They came in the opposite order.
    candidate.mutable_end_time()->set_seconds(1000 - i);
  }
  return data;
}

v1::FrontierPoint Point(int number, double reward, double cost) {
  v1::FrontierPoint point;
  point.set_candidate("searches/x-1/candidates/" + std::to_string(number));
  point.set_reward(reward);
  point.set_cost(cost);
  return point;
}

TEST(ReportData, HasACandidatePerRowInEachColumn) {
  SearchData data = Data(3);
  data.frontier = {Point(1, 0.1, 1), Point(3, 0.3, 2.5)};
  v1::AttemptFailure& failure = *data.candidates[0].add_failures();
  failure.set_attempt(1);
  failure.set_kind(v1::FAILURE_KIND_WORKER_LOST);
  failure.set_message("gone\nfor good");
  const auto json = ReportData(data);
  EXPECT_EQ(json["candidates"]["number"].dump(), "[1,2,3]");
  EXPECT_EQ(json["candidates"]["arrival"].dump(), "[3,2,1]");
  for (const char* column : {"architecture", "state", "pass", "stage", "seconds", "worker", "repeat_of", "final_of"}) {
    EXPECT_EQ(json["candidates"][column].size(), 3U) << column;
  }
  EXPECT_EQ(json["candidates"]["gap"].dump(), "[0,0,0]");
  EXPECT_EQ(json["candidates"]["reward"].dump(), "[0.1,0.2,0.3]");
  // The most expensive one came first and does not meet the target of 2.
  EXPECT_EQ(json["best_lines"].dump(), R"([{"target":2,"steps":[[2,0.2]]}])");
  EXPECT_EQ(json["failures"]["rows"][0]["kind"], "worker_lost");
  EXPECT_EQ(json["search"]["strategy"], "layernas");
  EXPECT_EQ(json["effects"][0]["options"][1][0], 2);
}

TEST(ReportData, ATwinOfAnInfeasibleNetworkIsNobodysFailure) {
  SearchData data = Data(3);
  v1::AttemptFailure& made = *data.candidates[0].add_failures();
  made.set_attempt(1);
  made.set_kind(v1::FAILURE_KIND_INFEASIBLE);
  made.set_worker("gpu-1");
  made.set_message("out of memory");
  v1::AttemptFailure& shared = *data.candidates[1].add_failures();
  shared.set_kind(v1::FAILURE_KIND_INFEASIBLE);
  shared.set_message("it is the same network as candidate 1: out of memory");
  for (int i = 0; i < 2; ++i) data.candidates[i].set_state(v1::CANDIDATE_STATE_INFEASIBLE);
  const auto json = ReportData(data);
  EXPECT_EQ(json["failures"]["kinds"], 1);
  EXPECT_EQ(json["failures"]["rows"][0]["attempts"], 1);
  EXPECT_EQ(json["workers"].dump(), R"([["gpu-1",0,1,0]])");
}

TEST(ReportData, OfASearchWithoutResultsIsWhole) {
  SearchData data = Data(2);
  for (v1::Candidate& candidate : data.candidates) candidate.set_state(v1::CANDIDATE_STATE_FAILED);
  const auto json = ReportData(data);
  EXPECT_EQ(json["candidates"]["reward"].dump(), "[null,null]");
  EXPECT_EQ(json["effects"][0].dump(), R"({"options":[null,null],"told_apart":null})");
  EXPECT_EQ(json["best_lines"].back()["steps"].dump(), "[]");
}

TEST(ReportData, ThinsOutManyCandidatesButKeepsTheBest) {
  SearchData data = Data(1000);
  data.frontier = {Point(777, 5000, 1)};
  // Far above the others, so it determines their scale.
  data.candidates[776].set_reward(5000);
  const auto json = ReportData(data, 100);
  const auto& numbers = json["candidates"]["number"];
  EXPECT_LE(numbers.size(), 101U);
  EXPECT_GE(numbers.size(), 75U);
  EXPECT_EQ(json["candidates"]["total"], 1000);
  EXPECT_NE(std::find(numbers.begin(), numbers.end(), 777), numbers.end());
  EXPECT_EQ(json["candidates"]["gap"].size(), numbers.size());
}

// The page makes specs of it.
TEST(ReportData, TheSpecHasTheNamesOfASpec) {
  SearchData data = Data(1);
  v1::LayerNas& layernas = *data.search.mutable_spec()->mutable_strategy()->mutable_layernas();
  layernas.mutable_buckets()->set_scale(v1::BUCKET_SCALE_LOGARITHMIC);
  layernas.mutable_order()->set_direction(v1::LayerOrder::DIRECTION_REVERSE);
  const auto strategy = ReportData(data)["spec"]["strategy"];
  EXPECT_EQ(strategy.dump(), R"({"layernas":{"buckets":{"scale":"logarithmic"},"order":{"direction":"reverse"}}})");
}

TEST(ReportPage, TakesHostileNamesForText) {
  constexpr char kHostile[] = "</script><script>alert('x')</script><!-- & {{script}} \"";
  SearchData data = Data(2);
  data.search.mutable_spec()->mutable_space()->mutable_layers(0)->set_name(kHostile);
  data.search.mutable_spec()->mutable_space()->mutable_layers(1)->mutable_options(0)->set_name(kHostile);
  data.search.set_name(std::string("searches/") + "<b>");
  data.candidates[0].set_worker(kHostile);
  data.candidates[1].add_failures()->set_attempt(1);
  data.candidates[1].mutable_failures(0)->set_message(kHostile);
  const std::string page = ReportPage(data);
  EXPECT_THAT(page, Not(HasSubstr("alert('x')</script>")));
  EXPECT_THAT(page, HasSubstr("<title>&lt;b&gt; – layernas</title>"));
  // One script for the data and one for the code. A placeholder in a name is not replaced.
  std::size_t scripts = 0;
  for (std::size_t at = page.find("</script"); at != std::string::npos; at = page.find("</script", at + 1)) ++scripts;
  EXPECT_EQ(scripts, 2U);
  constexpr char kBegin[] = "id=\"data\">";
  const std::size_t begin = page.find(kBegin) + sizeof kBegin - 1;
  const auto json = nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  EXPECT_EQ(json["spec"]["space"]["layers"][0]["name"], kHostile);
}

TEST(ReportData, ACostIsShownWhereverItIsKnown) {
  SearchData data = Data(2);
  v1::Candidate& skipped = data.candidates.emplace_back(data.candidates[0]);
  skipped.set_name("searches/x-1/candidates/3");
  skipped.set_state(v1::CANDIDATE_STATE_SKIPPED);
  skipped.set_reward(0);
  skipped.set_cost(9);
  v1::Candidate& failed = data.candidates.emplace_back(skipped);
  failed.set_name("searches/x-1/candidates/4");
  failed.set_state(v1::CANDIDATE_STATE_FAILED);
  failed.set_cost(0);
  const auto candidates = ReportData(data)["candidates"];
  EXPECT_EQ(candidates["cost"][2], 9);
  EXPECT_TRUE(candidates["cost"][3].is_null());
  EXPECT_TRUE(candidates["reward"][2].is_null());
}

}  // namespace
}  // namespace layernas::client
