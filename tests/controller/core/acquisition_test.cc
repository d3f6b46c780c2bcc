#include "controller/core/strategies/guided/acquisition.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/base/random.h"

namespace layernas::core {
namespace {

TEST(ExpectedImprovementTest, EqualsTheIntegral) {
  for (const double mean : {-2.0, 0.3, 1.5}) {
    for (const double deviation : {0.1, 1.0, 3.0}) {
      const double best = 0.5;
      double integral = 0;
      constexpr double kStep = 1e-3;
      for (double z = -9; z < 9; z += kStep) {
        integral += kStep * std::max(mean + deviation * z - best, 0.0) * std::exp(-0.5 * z * z) / std::sqrt(2 * M_PI);
      }
      EXPECT_NEAR(ExpectedImprovement(mean, deviation, best), integral, 1e-3) << mean << " " << deviation;
    }
  }
}

TEST(ExpectedImprovementTest, OfWhatIsCertainIsTheImprovement) {
  EXPECT_DOUBLE_EQ(ExpectedImprovement(2, 0, 0.5), 1.5);
  EXPECT_DOUBLE_EQ(ExpectedImprovement(0, 0, 0.5), 0);
}

TEST(ProbabilityWithinTest, IsTheNormalDistributions) {
  EXPECT_NEAR(ProbabilityWithin(1, 2, 1), 0.5, 1e-12);
  EXPECT_NEAR(ProbabilityWithin(0, 1, 1.959964), 0.975, 1e-6);
  EXPECT_DOUBLE_EQ(ProbabilityWithin(1, 0, 1), 1);
  EXPECT_DOUBLE_EQ(ProbabilityWithin(1.1, 0, 1), 0);
}

class DeviationsTest : public ::testing::Test {
 protected:
  DeviationsTest() {
    for (int l = 0; l < 5; ++l) space_.layers.emplace_back().option_count = 3;
    options_.pairs = ChoosePairs(space_);
    RandomStream random({31});
    for (int i = 0; i < 40; ++i) {
      Architecture drawn;
      double value = 0;
      for (std::size_t l = 0; l < 5; ++l) {
        drawn.push_back(static_cast<OptionIndex>(random.Below(3)));
        value += static_cast<double>(drawn.back() * (l + 1));
      }
      (i < 25 ? known_ : pool_).push_back(drawn);
      if (i < 25) values_.push_back(value + random.Uniform());
    }
  }

  Space space_;
  ModelOptions options_;
  std::vector<Architecture> known_;
  std::vector<double> values_;
  std::vector<Architecture> pool_;
};

TEST_F(DeviationsTest, AreThoseOfManyDraws) {
  Model model(space_, options_);
  model.Fit(known_, values_, true);
  const Deviations deviations(model, pool_);
  const Surface mean = model.Mean();
  constexpr int kDraws = 4000;
  std::vector<double> squares(pool_.size());
  RandomStream random({32});
  for (int d = 0; d < kDraws; ++d) {
    const Surface draw = model.Draw(random, 1);
    for (std::size_t i = 0; i < pool_.size(); ++i) squares[i] += std::pow(draw.At(pool_[i]) - mean.At(pool_[i]), 2);
  }
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    EXPECT_NEAR(deviations.At(i), std::sqrt(squares[i] / kDraws), 0.1 * deviations.At(i)) << i;
  }
}

// With fixed variances, a model that has really seen the believed values has the same deviations.
TEST_F(DeviationsTest, AreAsIfTheBelievedHadBeenSeen) {
  Model model(space_, options_);
  model.Fit(known_, values_, true);
  Deviations believing(model, pool_);
  const double scale = model.scale();
  const std::vector<std::size_t> believed = {3, 0, 7};
  std::vector<Architecture> all = known_;
  std::vector<double> values = values_;
  for (const std::size_t index : believed) {
    const double before = believing.At(index);
    believing.Believe(index);
    EXPECT_LT(believing.At(index), before);
    all.push_back(pool_[index]);
    values.push_back(model.Mean().At(pool_[index]));
  }
  std::vector<double> deviations;
  for (std::size_t i = 0; i < pool_.size(); ++i) deviations.push_back(believing.At(i) / scale);
  model.Fit(all, values, false);
  const Deviations seen(model, pool_);
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    // The unit is the standard deviation of the values, which the believed ones change.
    EXPECT_NEAR(deviations[i], seen.At(i) / model.scale(), 1e-9) << i;
  }
}

}  // namespace
}  // namespace layernas::core
