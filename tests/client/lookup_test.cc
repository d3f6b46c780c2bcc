// Fits costs of options to generated costs of whole networks, where the true costs are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <stop_token>
#include <vector>

#include "client/lookup/additive_fit.h"
#include "client/lookup/design.h"
#include "client/lookup/network_meter.h"
#include "common/base/random.h"

namespace layernas::client {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::DoubleNear;
using ::testing::HasSubstr;

v1::Space MakeSpace(const std::vector<int>& options) {
  v1::Space space;
  for (std::size_t i = 0; i < options.size(); ++i) {
    v1::Layer& layer = *space.add_layers();
    layer.set_name("layer" + std::to_string(i));
    for (int j = 0; j < options[i]; ++j) layer.add_options()->set_name("option" + std::to_string(j));
  }
  return space;
}

AdditiveCosts Truth(const v1::Space& space, std::uint64_t seed) {
  RandomStream random({seed});
  AdditiveCosts costs;
  costs.base = 0.05;
  for (const v1::Layer& layer : space.layers()) {
    std::vector<double>& options = costs.options.emplace_back();
    for (int j = 0; j < layer.options_size(); ++j) options.push_back(j == 0 ? 0 : 0.1 * random.Uniform());
  }
  return costs;
}

// `noise` is the standard deviation, as a share of the cost.
std::vector<Sample> Draw(const v1::Space& space, const AdditiveCosts& truth, int fitted, int held_out, double noise,
                         bool want_held_out) {
  RandomStream random({7, want_held_out ? 1U : 0U});
  std::vector<Sample> samples;
  const auto design = DrawDesign(space, fitted, held_out, 1);
  for (const DesignPoint& point : *design) {
    if (point.held_out != want_held_out) continue;
    samples.push_back({point.choices, truth.Predict(point.choices) * (1 + noise * random.Normal())});
  }
  return samples;
}

const std::vector<int> kOptions = {4, 4, 3, 5, 4, 2};

TEST(AdditiveFit, RecoversCostsThatAddUp) {
  const v1::Space space = MakeSpace(kOptions);
  const AdditiveCosts truth = Truth(space, 3);
  const auto found = FitAdditiveCosts(space, Draw(space, truth, 40, 30, 0, false));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->base, DoubleNear(truth.base, 1e-3));
  for (std::size_t i = 0; i < truth.options.size(); ++i) {
    for (std::size_t j = 0; j < truth.options[i].size(); ++j) {
      EXPECT_THAT(found->options[i][j], DoubleNear(truth.options[i][j], 1e-3)) << i << " " << j;
    }
  }
  const PredictionError error = MeasureError(*found, Draw(space, truth, 40, 30, 0, true));
  EXPECT_EQ(error.networks, 30);
  EXPECT_LT(error.worst, 1e-3);
  EXPECT_GT(error.spearman, 0.999);
}

TEST(AdditiveFit, NoiseCostsNoMoreThanItIs) {
  const v1::Space space = MakeSpace(kOptions);
  const AdditiveCosts truth = Truth(space, 4);
  const auto found = FitAdditiveCosts(space, Draw(space, truth, 40, 100, 0.02, false));
  ASSERT_TRUE(found.ok()) << found.status();
  // Compared with the truth, the error is below the noise of one measurement, because the fit
  // averages many.
  EXPECT_LT(MeasureError(*found, Draw(space, truth, 40, 100, 0, true)).median, 0.02);
}

TEST(AdditiveFit, FewSamplesAreStillOfUse) {
  const v1::Space space = MakeSpace(kOptions);
  const AdditiveCosts truth = Truth(space, 5);
  // Fewer samples than unknowns.
  ASSERT_EQ(Unknowns(space), 17);
  const auto found = FitAdditiveCosts(space, Draw(space, truth, 12, 100, 0.01, false));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_LT(MeasureError(*found, Draw(space, truth, 12, 100, 0, true)).median, 0.2);
}

// If the costs are not additive, the error on the held-out networks is similar to the error on any
// other.
TEST(AdditiveFit, TheErrorIsHonest) {
  const v1::Space space = MakeSpace({4, 4, 4, 4});
  const auto product = [](const spec::Choices& choices) {
    double cost = 1;
    for (const auto choice : choices) cost *= 1 + choice;
    return cost;
  };
  const auto design = DrawDesign(space, 40, 60, 1);
  ASSERT_TRUE(design.ok()) << design.status();
  std::vector<Sample> fitted, held_out, all;
  for (const DesignPoint& point : *design) {
    (point.held_out ? held_out : fitted).push_back({point.choices, product(point.choices)});
  }
  for (std::uint16_t i = 0; i < 256; ++i) {
    const spec::Choices choices = {static_cast<std::uint16_t>(i / 64), static_cast<std::uint16_t>(i / 16 % 4),
                                   static_cast<std::uint16_t>(i / 4 % 4), static_cast<std::uint16_t>(i % 4)};
    all.push_back({choices, product(choices)});
  }
  const auto found = FitAdditiveCosts(space, fitted);
  ASSERT_TRUE(found.ok()) << found.status();
  const PredictionError stated = MeasureError(*found, held_out);
  const PredictionError real = MeasureError(*found, all);
  EXPECT_GT(stated.median, 0.1);
  EXPECT_GT(stated.median, real.median / 1.7);
  EXPECT_LT(stated.median, real.median * 1.7);
  // The result is valid in a spec.
  EXPECT_GE(found->base, 0);
  for (const auto& layer : found->options) {
    for (const double cost : layer) EXPECT_GE(cost, 0);
  }
}

// Multiplicative costs have an additive fit whose base is below 0. Raising only the base would
// shift every prediction.
TEST(AdditiveFit, ABaseOfNothingDoesNotShiftPredictions) {
  const v1::Space space = MakeSpace({4, 4, 4, 4});
  std::vector<Sample> samples;
  for (std::uint16_t i = 0; i < 256; ++i) {
    spec::Choices choices;
    double cost = 1;
    for (int layer = 0, rest = i; layer < 4; ++layer, rest /= 4) {
      choices.push_back(static_cast<std::uint16_t>(rest % 4));
      cost *= 1 + choices.back();
    }
    samples.push_back({choices, cost});
  }
  const auto found = FitAdditiveCosts(space, samples);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_GE(found->base, 0);
  // For least squares of relative errors, no common factor improves the predictions.
  double products = 0, squares = 0;
  for (const Sample& sample : samples) {
    const double ratio = found->Predict(sample.choices) / sample.cost;
    products += ratio;
    squares += ratio * ratio;
  }
  EXPECT_NEAR(products / squares, 1, 0.01) << "median " << MeasureError(*found, samples).median;
}

TEST(AdditiveFit, AnOptionThatNobodyMeasuredIsNamed) {
  const v1::Space space = MakeSpace({2, 3});
  const std::vector<Sample> samples = {{{0, 0}, 1}, {{1, 0}, 2}, {{0, 1}, 3}, {{1, 1}, 4}};
  const auto found = FitAdditiveCosts(space, samples);
  EXPECT_EQ(found.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(found.status().message()),
              HasSubstr("no measured network has option \"option2\" of layer \"layer1\""));
  EXPECT_THAT(std::string(FitAdditiveCosts(space, {}).status().message()), HasSubstr("only 0 networks"));
  EXPECT_THAT(std::string(FitAdditiveCosts(MakeSpace({1000, 1000, 1000}), samples).status().message()),
              HasSubstr("more than 2000"));
  // Known before anything is measured.
  EXPECT_THAT(std::string(CheckCostCount(MakeSpace({1000, 1000, 1000})).message()), HasSubstr("more than 2000"));
}

TEST(AdditiveFit, AReadingOfAnySizeDoesNotStopTheFit) {
  const v1::Space space = MakeSpace(kOptions);
  const AdditiveCosts truth = Truth(space, 3);
  const std::vector<Sample> samples = Draw(space, truth, 40, 30, 0, false);
  for (const double reading : {1e-300, 1e300}) {
    std::vector<Sample> spoiled = samples;
    spoiled[7].cost = reading;
    EXPECT_TRUE(FitAdditiveCosts(space, spoiled).ok()) << reading;
  }
}

TEST(FindImplausible, FindsTheWrongReadings) {
  const v1::Space space = MakeSpace(kOptions);
  const AdditiveCosts truth = Truth(space, 3);
  for (const double noise : {0.0, 0.02}) {
    const std::vector<Sample> samples = Draw(space, truth, 40, 30, noise, false);
    EXPECT_TRUE(FindImplausible(space, samples).value().empty());
    for (const double factor : {1e-300, 1e-6, 0.1, 0.3, 3.0, 10.0, 1e12, 1e300}) {
      std::vector<Sample> spoiled = samples;
      spoiled[7].cost *= factor;
      spoiled[30].cost *= factor;
      const auto found = FindImplausible(space, spoiled);
      ASSERT_TRUE(found.ok()) << found.status();
      ASSERT_EQ(found->size(), 2U) << factor << " " << noise;
      for (const Implausible& one : *found) {
        EXPECT_THAT(one.sample, AnyOf(7U, 30U));
        EXPECT_NEAR(one.predicted / samples[one.sample].cost, 1, 0.15) << factor << " " << noise;
      }
    }
  }
  EXPECT_TRUE(FindImplausible(space, {}).value().empty());
}

// A new solution for each wrong reading and each strength of the ridge would take six times as long
// as the fit.
TEST(FindImplausible, FindsManyWrongReadingsInALargeSpace) {
  const v1::Space space = MakeSpace(std::vector<int>(40, 8));
  const AdditiveCosts truth = Truth(space, 3);
  std::vector<Sample> samples = Draw(space, truth, 2 * Unknowns(space), 30, 0.02, false);
  std::set<std::size_t> wrong;
  for (std::size_t i = 0; i < 10; ++i) {
    wrong.insert(50 * i + 7);
    samples[50 * i + 7].cost *= i % 2 == 0 ? 30 : 0.02;
  }
  const auto found = FindImplausible(space, samples);
  ASSERT_TRUE(found.ok()) << found.status();
  std::set<std::size_t> seen;
  for (const Implausible& one : *found) {
    seen.insert(one.sample);
    EXPECT_NEAR(one.predicted / truth.Predict(samples[one.sample].choices), 1, 0.15) << one.sample;
  }
  EXPECT_EQ(seen, wrong);
}

TEST(FindImplausible, IsStopped) {
  const v1::Space space = MakeSpace(kOptions);
  const std::vector<Sample> samples = Draw(space, Truth(space, 3), 40, 30, 0, false);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(FindImplausible(space, samples, stop.get_token()).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(FitAdditiveCosts(space, samples, stop.get_token()).status().code(), absl::StatusCode::kCancelled);
}

TEST(MeasureError, QuantilesAndRanksAreThoseByHand) {
  AdditiveCosts costs;
  costs.base = 10;
  costs.options = {{0, 1, 2, 3, 4}};
  // The errors are 0, 1/12, 0, 3/10 and 0. The last but one has the wrong rank.
  const std::vector<Sample> samples = {{{0}, 10}, {{1}, 12}, {{2}, 12}, {{3}, 10}, {{4}, 14}};
  const PredictionError error = MeasureError(costs, samples);
  EXPECT_DOUBLE_EQ(error.median, 0);
  EXPECT_DOUBLE_EQ(error.p90, 0.3);
  EXPECT_DOUBLE_EQ(error.worst, 0.3);
  // The ranks are 0 1 2 3 4 and 0.5 2.5 2.5 0.5 4.
  EXPECT_NEAR(error.spearman, 5.0 / std::sqrt(10 * 9.0), 1e-9);
}

TEST(DrawDesign, OptionsStandEquallyOftenAndNothingTwice) {
  const v1::Space space = MakeSpace({4, 3, 5, 4});
  const auto design = DrawDesign(space, 41, 30, 9);
  ASSERT_TRUE(design.ok()) << design.status();
  std::set<spec::Choices> seen;
  std::map<std::uint16_t, int> of_first;
  int held_out = 0;
  for (const DesignPoint& point : *design) {
    EXPECT_TRUE(seen.insert(point.choices).second);
    held_out += point.held_out ? 1 : 0;
    if (!point.held_out) ++of_first[point.choices[0]];
  }
  EXPECT_EQ(design->size(), 71U);
  EXPECT_EQ(held_out, 30);
  // One or two may have been drawn again because they already existed.
  for (const auto& [option, times] : of_first) EXPECT_NEAR(times, 10, 4) << option;
  const auto again = DrawDesign(space, 41, 30, 9);
  EXPECT_EQ(again->front().choices, design->front().choices);
}

TEST(DrawDesign, RefusesWhatCannotBeDrawn) {
  EXPECT_THAT(std::string(DrawDesign(MakeSpace({4, 4}), 10, 5, 1).status().message()),
              AllOf(HasSubstr("only 16 architectures"), HasSubstr("measure fewer")));
  EXPECT_THAT(std::string(DrawDesign(MakeSpace({40, 4, 4}), 10, 5, 1).status().message()),
              HasSubstr("layer \"layer0\" has 40 options"));
}

TEST(CostScale, CalibratesLatency) {
  std::vector<Metrics> measured;
  for (int i = 0; i < 10; ++i) {
    // The machine becomes slower, but the ratio stays.
    measured.push_back({{"latency_ms", 1.0 + i}, {"latency_ratio", 2}, {"latency_reference_ms", 0.5 + i}});
  }
  const auto scale = CostScale::Find("latency_ms", measured);
  ASSERT_TRUE(scale.ok()) << scale.status();
  EXPECT_DOUBLE_EQ(scale->quiet_reference_ms(), 1.5);
  EXPECT_DOUBLE_EQ(*scale->CostOf(measured[0]), 3);
  EXPECT_DOUBLE_EQ(*scale->CostOf(measured[9]), 3);
}

TEST(CostScale, CalibratesWhenMostMeasurementsCan) {
  std::vector<Metrics> measured(3, {{"latency_ms", 7}, {"latency_ratio", 2}, {"latency_reference_ms", 1.5}});
  measured.push_back({{"latency_ms", 4}});
  const auto scale = CostScale::Find("latency_ms", measured);
  ASSERT_TRUE(scale.ok()) << scale.status();
  EXPECT_DOUBLE_EQ(*scale->CostOf(measured[0]), 3);
  EXPECT_THAT(std::string(scale->CostOf(measured[3]).status().message()), HasSubstr("did not report latency_ratio"));
  measured.resize(5, {{"latency_ms", 4}});
  measured.resize(7, {{"energy_mj", 4}});
  const auto plain = CostScale::Find("latency_ms", measured);
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_DOUBLE_EQ(*plain->CostOf(measured[0]), 7);
  EXPECT_THAT(std::string(plain->CostOf(measured[6]).status().message()), HasSubstr("did not report latency_ms"));
}

TEST(CostScale, TakesOthersAsTheyAre) {
  const std::vector<Metrics> plain = {{{"latency_ms", 4}}, {{"latency_ms", 0}}};
  const auto scale = CostScale::Find("latency_ms", plain);
  ASSERT_TRUE(scale.ok()) << scale.status();
  EXPECT_DOUBLE_EQ(*scale->CostOf(plain[0]), 4);
  EXPECT_THAT(std::string(scale->CostOf(plain[1]).status().message()), HasSubstr("above 0"));
  EXPECT_THAT(std::string(CostScale::Find("energy_mj", plain).status().message()),
              HasSubstr("does not report energy_mj; it reports latency_ms"));
}

TEST(CostCheck, MostMeasurementsBeforeDecide) {
  const Metrics calibrated = {{"latency_ms", 7}, {"latency_ratio", 2}, {"latency_reference_ms", 1.5}};
  const Metrics plain = {{"latency_ms", 4}};
  CostCheck check("latency_ms");
  // Alone, each can be a cost.
  EXPECT_TRUE(check.Check(calibrated).ok());
  EXPECT_TRUE(check.Check(plain).ok());
  EXPECT_EQ(check.Check({{"energy_mj", 4}}).code(), absl::StatusCode::kFailedPrecondition);
  check.Add(plain);
  EXPECT_TRUE(check.Check(plain).ok());
  EXPECT_EQ(check.Check({{"energy_mj", 4}}).code(), absl::StatusCode::kInvalidArgument);
  check.Add(calibrated);
  EXPECT_TRUE(check.Check(calibrated).ok());
  EXPECT_EQ(check.Check(plain).code(), absl::StatusCode::kInvalidArgument);
  Metrics negative = calibrated;
  negative["latency_ratio"] = -2;
  EXPECT_THAT(std::string(check.Check(negative).message()), HasSubstr("a latency_ms of -3; a table needs"));
}

}  // namespace
}  // namespace layernas::client
