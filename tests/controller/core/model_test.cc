#include "controller/core/strategies/guided/model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/base/random.h"

namespace layernas::core {
namespace {

// Six layers with four options. Values are sums of option effects, effects of adjacent pairs, and
// noise.
class ModelTest : public ::testing::Test {
 protected:
  ModelTest() {
    RandomStream random({11});
    for (int l = 0; l < 6; ++l) space_.layers.emplace_back().option_count = 4;
    for (std::size_t l = 1; l < 6; ++l) pairs_.push_back({l - 1, l});
    truth_ = MakeSurface(space_, pairs_);
    truth_.bias = 70;
    for (auto& effects : truth_.options) {
      for (double& effect : effects) effect = 4 * random.Uniform();
    }
    for (auto& effects : truth_.pair_effects) {
      for (double& effect : effects) effect = random.Uniform();
    }
  }

  Architecture DrawArchitecture(RandomStream& random) const {
    Architecture drawn;
    for (const Layer& layer : space_.layers)
      drawn.push_back(static_cast<OptionIndex>(random.Below(layer.option_count)));
    return drawn;
  }

  // Fits the model to `count` values with noise from -noise to noise.
  Model Fitted(std::size_t count, double noise) const {
    RandomStream random({12, count});
    std::vector<Architecture> architectures;
    std::vector<double> values;
    for (std::size_t i = 0; i < count; ++i) {
      architectures.push_back(DrawArchitecture(random));
      values.push_back(truth_.At(architectures.back()) + noise * (2 * random.Uniform() - 1));
    }
    ModelOptions options;
    options.pairs = pairs_;
    Model model(space_, options);
    model.Fit(architectures, values, true);
    return model;
  }

  // Returns the root mean squared error of a surface on architectures that it may not have seen.
  double Error(const Surface& surface) const {
    RandomStream random({13});
    double sum = 0;
    for (int i = 0; i < 500; ++i) {
      const Architecture drawn = DrawArchitecture(random);
      sum += std::pow(surface.At(drawn) - truth_.At(drawn), 2);
    }
    return std::sqrt(sum / 500);
  }

  Space space_;
  std::vector<LayerPair> pairs_;
  Surface truth_;
};

TEST_F(ModelTest, AnAppendedValueIsAsGoodAsAFittedOne) {
  RandomStream random({21});
  std::vector<Architecture> architectures;
  std::vector<double> values;
  double sum = 0;
  for (int i = 0; i < 30; ++i) {
    architectures.push_back(DrawArchitecture(random));
    values.push_back(truth_.At(architectures.back()));
    sum += values.back();
  }
  ModelOptions options;
  options.pairs = pairs_;
  options.name_pairs = true;
  Model appended(space_, options);
  appended.Fit(architectures, values, false);
  // These values do not change the mean. Then only the scale differs, and it cancels out.
  for (int i = 0; i < 3; ++i) {
    architectures.push_back(DrawArchitecture(random));
    values.push_back(sum / 30);
    appended.Append(architectures.back(), values.back());
  }
  Model fitted(space_, options);
  fitted.Fit(architectures, values, false);
  std::vector<Architecture> pool;
  for (int i = 0; i < 50; ++i) pool.push_back(DrawArchitecture(random));
  EXPECT_TRUE(appended.Whitened(pool).isApprox(fitted.Whitened(pool), 1e-9));
  for (const Architecture& one : pool) EXPECT_NEAR(appended.Mean().At(one), fitted.Mean().At(one), 1e-9);
}

TEST_F(ModelTest, LearnsTheSurfaceFromEnoughValues) {
  RandomStream random({1});
  const double few = Error(Fitted(20, 0.1).Draw(random, 0));
  const double many = Error(Fitted(400, 0.1).Draw(random, 0));
  EXPECT_LT(many, 0.1);
  EXPECT_LT(many, few / 5);
}

TEST_F(ModelTest, DrawsSpreadAroundTheMeanAsTheErrorDoes) {
  const Model model = Fitted(60, 0.3);
  RandomStream random({2});
  const Surface mean = model.Draw(random, 0);
  // For a calibrated posterior, the draws are as far from the mean as the mean is from the truth.
  double apart = 0;
  constexpr int kDraws = 50;
  RandomStream architectures({3});
  for (int i = 0; i < kDraws; ++i) {
    const Surface draw = model.Draw(random, 1);
    for (int j = 0; j < 20; ++j) {
      const Architecture drawn = DrawArchitecture(architectures);
      apart += std::pow(draw.At(drawn) - mean.At(drawn), 2);
    }
  }
  const double spread = std::sqrt(apart / (kDraws * 20));
  EXPECT_GT(spread, Error(mean) / 2.5);
  EXPECT_LT(spread, Error(mean) * 2.5);
}

TEST_F(ModelTest, ASmallerSpreadStaysNearerTheMean) {
  const Model model = Fitted(60, 0.3);
  RandomStream random({4});
  const Surface mean = model.Draw(random, 0);
  const Architecture one = DrawArchitecture(random);
  double near = 0;
  double far = 0;
  for (int i = 0; i < 100; ++i) {
    near += std::pow(model.Draw(random, 0.2).At(one) - mean.At(one), 2);
    far += std::pow(model.Draw(random, 1).At(one) - mean.At(one), 2);
  }
  EXPECT_LT(near, far / 10);
}

TEST_F(ModelTest, EqualValuesAreNoTrouble) {
  ModelOptions options;
  options.clipped_share = 0.2;
  Model model(space_, options);
  RandomStream random({5});
  model.Fit({DrawArchitecture(random), DrawArchitecture(random), DrawArchitecture(random)}, {5, 5, 5}, true);
  EXPECT_NEAR(model.Draw(random, 0).At(DrawArchitecture(random)), 5, 1e-6);
}

TEST_F(ModelTest, TheSameNumbersGiveTheSameDraw) {
  RandomStream a({6});
  RandomStream b({6});
  EXPECT_EQ(Fitted(40, 0.2).Draw(a, 1).options, Fitted(40, 0.2).Draw(b, 1).options);
}

}  // namespace
}  // namespace layernas::core
