// Bayesian linear model of a quantity of architectures, in its dual (Gaussian process) form. Independent, normal
// weights of
//   * one slope over all layers, and one per layer, on an option's share of its layer's cost, to the power 1/2,
//   * each option name, shared by the layers that have it, and each two names, shared by the pairs of layers,
//   * each (layer, option), and each pair of options of the given pairs of layers,
// with one variance per group, fitted by marginal likelihood (Rasmussen and Williams 2006, ch. 2 and 5).
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
  // Whether two names have an effect that is the same for all pairs of layers.
  bool name_pairs = false;
  // [layer][option]: share of the layer's dearest cost, to the power 1/2; empty: no slopes.
  std::vector<std::vector<double>> cost_shares;
  // The lowest share of the values is raised to its upper end, so that broken architectures don't bend the fit.
  double clipped_share = 0;
  // Values used at most: where there are more the highest ones of what is clipped, otherwise the latest.
  std::size_t max_values = 800;
  // Noise to begin with, as a share of the values' variance.
  double noise = 0.1;
};

class Model {
 public:
  // `space` must outlive the model.
  Model(const Space& space, ModelOptions options);

  // Fits to the values; at least 2. The variances go on from those of the last fit; they are refitted only if
  // `variances`.
  void Fit(const std::vector<Architecture>& architectures, const std::vector<double>& values, bool variances);
  // After a fit: one value more. The posterior is what it would be with it; what the values were standardised and
  // clipped by, and the variances, stay as they are. A fraction of a fit's time.
  void Append(const Architecture& architecture, double value);

  // The posterior's mean plus `spread` times a draw's difference from it; in the values' own unit. Before
  // the first fit: of the prior.
  Surface Draw(RandomStream& random, double spread) const;
  Surface Mean() const;

  // --- In the unit of the standardised values, in which scale() values are 1.

  double scale() const { return scale_; }
  double NoiseVariance() const;
  // Of an architecture's value with those of others, before anything is known.
  Eigen::VectorXd PriorCovariance(const Architecture& architecture, const std::vector<Architecture>& others) const;
  // [value][architecture]: inverse Cholesky factor of the values' covariance, times their prior covariance with the
  // architectures. The posterior's covariance is the prior's less the product of two such columns.
  Eigen::MatrixXd Whitened(const std::vector<Architecture>& architectures) const;

 private:
  enum Group { kSlope, kLayerSlope, kName, kOption, kPair, kNamePair, kGroupCount };

  Eigen::MatrixXd GroupKernel(Group group) const;
  // Which of pair p's effects an architecture has.
  std::size_t EffectAt(std::size_t p, const Architecture& architecture) const;
  // How often an architecture has each two names.
  Eigen::VectorXd CountNamePairs(const Architecture& architecture) const;
  void FitVariances();
  Eigen::MatrixXd Kernel() const;
  // Inverse of the values' covariance, times v.
  Eigen::VectorXd Weights(Eigen::VectorXd v) const;
  // Adds the sum over the architectures fitted to of v times their prior covariance with every other.
  void AddFeatures(const Eigen::VectorXd& v, Surface& surface) const;
  Surface DrawPrior(RandomStream& random) const;

  const Space& space_;
  const ModelOptions options_;
  // [layer][option]: number of the option's name.
  std::vector<std::vector<std::size_t>> names_;
  std::size_t name_count_ = 0;
  // [pair][effect]: number of the two options' names, in any order. Empty unless options_.name_pairs.
  std::vector<std::vector<Eigen::Index>> name_pairs_;
  Eigen::Index name_pair_count_ = 0;

  // log of the groups' variances and of the noise's, of standardised values.
  std::array<double, kGroupCount> log_variance_;
  double log_noise_;
  // Those to begin with, and the centre of their prior; the noise's is the last.
  std::array<double, kGroupCount + 1> first_log_variance_;

  std::vector<Architecture> architectures_;
  double mean_ = 0;
  double scale_ = 1;
  // Standardised values below it are raised to it.
  double floor_ = 0;
  Eigen::VectorXd values_;
  std::array<Eigen::MatrixXd, kGroupCount> kernels_;
  // Cholesky factor of the values' covariance, below and on the diagonal.
  Eigen::MatrixXd factor_;
};

}  // namespace layernas::core
