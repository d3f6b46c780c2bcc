// Bayesian linear model of a quantity of architectures, in its dual (Gaussian process) form. It has
// independent, normal weights for
//   * one slope over all layers, and one per layer, on an option's cost as a share of the cost of
//     the layer's most expensive option, to the power 1/2,
//   * each option name, shared by the layers that have it, and each two names, shared by the pairs
//     of layers,
//   * each (layer, option), and each pair of options of the given pairs of layers.
// Each group has one variance, fitted by marginal likelihood (Rasmussen and Williams 2006, ch. 2
// and 5).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <vector>

#include "common/base/random.h"
#include "controller/core/space.h"
#include "controller/core/strategies/guided/surface.h"

namespace layernas::core {

struct ModelOptions {
  std::vector<LayerPair> pairs;
  // Whether two names have an effect that all pairs of layers share.
  bool name_pairs = false;
  // [layer][option]: share of the cost of the layer's most expensive option, to the power 1/2.
  // Empty: no slopes.
  std::vector<std::vector<double>> cost_shares;
  // This share of the values, the lowest ones, is raised to the highest of them, so broken
  // architectures do not distort the fit.
  double clipped_share = 0;
  // Maximum values used. If there are more: the highest ones if values are clipped, otherwise the
  // latest.
  std::size_t max_values = 800;
  // Initial noise, as a share of the values' variance.
  double noise = 0.1;
};

class Model {
 public:
  // `space` must outlive the model.
  Model(const Space& space, ModelOptions options);

  // Fits to at least 2 values. Starts from the variances of the last fit, and refits them only if
  // `variances` is set.
  void Fit(const std::vector<Architecture>& architectures, const std::vector<double>& values, bool variances);
  // Adds one value after a fit, in a fraction of a fit's time. The posterior then includes the
  // value. Standardisation, clipping and variances stay as they are.
  void Append(const Architecture& architecture, double value);

  // Returns, in the unit of the values, the posterior's mean plus `spread` times the difference
  // between a draw from the posterior and this mean. Before the first fit, uses the prior.
  Surface Draw(RandomStream& random, double spread) const;
  Surface Mean() const;

  // --- In the unit of the standardised values; one unit is scale() in the unit of the values.

  double scale() const { return scale_; }
  double NoiseVariance() const;
  // Returns the prior covariance of an architecture's value with the values of others.
  Eigen::VectorXd PriorCovariance(const Architecture& architecture, const std::vector<Architecture>& others) const;
  // [value][architecture]: inverse Cholesky factor of the values' covariance, times their prior
  // covariance with the architectures. The posterior covariance is the prior covariance minus the
  // product of two such columns.
  Eigen::MatrixXd Whitened(const std::vector<Architecture>& architectures) const;

 private:
  enum Group { kSlope, kLayerSlope, kName, kOption, kPair, kNamePair, kGroupCount };

  Eigen::MatrixXd GroupKernel(Group group) const;
  // Returns the index of the effect of pair p that an architecture has.
  std::size_t EffectAt(std::size_t p, const Architecture& architecture) const;
  // Returns how often an architecture has each pair of names.
  Eigen::VectorXd CountNamePairs(const Architecture& architecture) const;
  void FitVariances();
  Eigen::MatrixXd Kernel() const;
  // Returns the inverse of the values' covariance, times v.
  Eigen::VectorXd Weights(Eigen::VectorXd v) const;
  // Adds to `surface`: the sum over the fitted architectures of v times their prior covariance with
  // every other.
  void AddFeatures(const Eigen::VectorXd& v, Surface& surface) const;
  Surface DrawPrior(RandomStream& random) const;

  const Space& space_;
  const ModelOptions options_;
  // [layer][option]: index of the option's name.
  std::vector<std::vector<std::size_t>> names_;
  std::size_t name_count_ = 0;
  // [pair][effect]: index of the two options' names, in any order. Empty unless
  // options_.name_pairs.
  std::vector<std::vector<Eigen::Index>> name_pairs_;
  Eigen::Index name_pair_count_ = 0;

  // Logarithms of the variances of the groups and of the noise, for standardised values.
  std::array<double, kGroupCount> log_variance_;
  double log_noise_;
  // Initial values, which are also the centre of their prior; the last one is for the noise.
  std::array<double, kGroupCount + 1> first_log_variance_;

  std::vector<Architecture> architectures_;
  double mean_ = 0;
  double scale_ = 1;
  // Lower standardised values are raised to this.
  double floor_ = 0;
  Eigen::VectorXd values_;
  std::array<Eigen::MatrixXd, kGroupCount> kernels_;
  // Cholesky factor of the values' covariance, below and on the diagonal.
  Eigen::MatrixXd factor_;
};

}  // namespace layernas::core
