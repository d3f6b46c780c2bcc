#include "controller/core/strategies/guided/model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <utility>

namespace layernas::core {
namespace {

// Maximum values to fit variances to: there are few variances, and a fit takes cubic time.
constexpr Eigen::Index kMaxForVariances = 250;
// Standard deviation of the prior of log variances around their first values. It is wide, but keeps
// a few values from excluding an effect.
constexpr double kLogVarianceDeviation = 1.5;
// Prior variance of the values' mean, which is known only roughly.
constexpr double kMeanVariance = 1;
constexpr double kJitter = 1e-8;

}  // namespace

Model::Model(const Space& space, ModelOptions options) : space_(space), options_(std::move(options)) {
  std::map<std::string, std::size_t> names;
  for (const Layer& layer : space_.layers) {
    auto& of_layer = names_.emplace_back();
    for (OptionIndex option = 0; option < layer.option_count; ++option) {
      const std::string name = layer.option_names.empty() ? std::to_string(option) : layer.option_names[option];
      of_layer.push_back(names.emplace(name, names.size()).first->second);
    }
  }
  name_count_ = names.size();
  if (options_.name_pairs) {
    std::map<std::pair<std::size_t, std::size_t>, Eigen::Index> numbers;
    for (const LayerPair& pair : options_.pairs) {
      auto& of_pair = name_pairs_.emplace_back();
      for (const std::size_t first : names_[pair.first]) {
        for (const std::size_t second : names_[pair.second]) {
          of_pair.push_back(numbers.emplace(std::minmax(first, second), numbers.size()).first->second);
        }
      }
    }
    name_pair_count_ = static_cast<Eigen::Index>(numbers.size());
  }
  // Distribute the values' variance: half to the effects that layers share, if there are any, and
  // the rest to the others.
  const double layers = static_cast<double>(space_.layers.size());
  const double pairs = std::max<double>(1, static_cast<double>(options_.pairs.size()));
  log_variance_[kSlope] = std::log(0.3 / layers);
  log_variance_[kLayerSlope] = std::log(0.3 / layers);
  log_variance_[kName] = std::log(0.2 / layers);
  log_variance_[kOption] = std::log(0.3 / layers);
  log_variance_[kPair] = std::log(0.2 / pairs);
  log_variance_[kNamePair] = std::log(0.3 / pairs);
  log_noise_ = std::log(options_.noise);
  std::copy(log_variance_.begin(), log_variance_.end(), first_log_variance_.begin());
  first_log_variance_[kGroupCount] = log_noise_;
}

void Model::Fit(const std::vector<Architecture>& architectures, const std::vector<double>& values, bool variances) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  if (order.size() > options_.max_values && options_.clipped_share > 0) {
    // The highest values matter most.
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
    order.resize(options_.max_values);
    std::sort(order.begin(), order.end());
  } else if (order.size() > options_.max_values) {
    // The latest architectures were proposed near the best ones.
    order.erase(order.begin(), order.end() - static_cast<std::ptrdiff_t>(options_.max_values));
  }
  architectures_.clear();
  values_.resize(static_cast<Eigen::Index>(order.size()));
  for (std::size_t i = 0; i < order.size(); ++i) {
    architectures_.push_back(architectures[order[i]]);
    values_[static_cast<Eigen::Index>(i)] = values[order[i]];
  }
  double floor = values_.minCoeff();
  if (options_.clipped_share > 0) {
    std::vector<double> sorted(values_.begin(), values_.end());
    const auto at = static_cast<std::ptrdiff_t>(options_.clipped_share * static_cast<double>(sorted.size()));
    std::nth_element(sorted.begin(), sorted.begin() + at, sorted.end());
    floor = sorted[at];
    values_ = values_.cwiseMax(floor);
  }
  mean_ = values_.mean();
  scale_ = std::sqrt((values_.array() - mean_).square().mean());
  if (!(scale_ > 0)) scale_ = 1;
  values_ = (values_.array() - mean_) / scale_;
  floor_ = options_.clipped_share > 0 ? (floor - mean_) / scale_ : -std::numeric_limits<double>::infinity();

  for (int group = 0; group < kGroupCount; ++group) kernels_[group] = GroupKernel(static_cast<Group>(group));
  if (variances) FitVariances();
  factor_ = Kernel();
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> in_place(factor_);
}

void Model::Append(const Architecture& architecture, double value) {
  const Eigen::Index n = values_.size();
  Eigen::VectorXd row = PriorCovariance(architecture, architectures_);
  factor_.triangularView<Eigen::Lower>().solveInPlace(row);
  const double variance = PriorCovariance(architecture, {architecture})[0] + NoiseVariance();
  factor_.conservativeResize(n + 1, n + 1);
  factor_.row(n).head(n) = row.transpose();
  // The remainder is at least the noise.
  factor_(n, n) = std::sqrt(std::max(variance - row.squaredNorm(), NoiseVariance()));
  values_.conservativeResize(n + 1);
  values_[n] = std::max((value - mean_) / scale_, floor_);
  architectures_.push_back(architecture);
}

Eigen::VectorXd Model::Weights(Eigen::VectorXd v) const {
  const auto lower = factor_.triangularView<Eigen::Lower>();
  lower.solveInPlace(v);
  lower.transpose().solveInPlace(v);
  return v;
}

Eigen::MatrixXd Model::GroupKernel(Group group) const {
  const auto n = static_cast<Eigen::Index>(architectures_.size());
  if ((group == kSlope || group == kLayerSlope) && options_.cost_shares.empty()) return {};
  if (group == kPair && options_.pairs.empty()) return {};
  if (group == kNamePair && name_pairs_.empty()) return {};
  Eigen::MatrixXd kernel = Eigen::MatrixXd::Zero(n, n);
  Eigen::MatrixXd features;
  switch (group) {
    case kSlope:
    case kLayerSlope: {
      features = Eigen::MatrixXd::Zero(n, static_cast<Eigen::Index>(space_.layers.size()));
      for (Eigen::Index i = 0; i < n; ++i) {
        for (std::size_t l = 0; l < space_.layers.size(); ++l) {
          features(i, static_cast<Eigen::Index>(l)) = options_.cost_shares[l][architectures_[i][l]];
        }
      }
      if (group == kSlope) features = features.rowwise().sum().eval();
      return features * features.transpose();
    }
    case kName: {
      // Not computed as a product of features: in a big space most names occur in no architecture.
      std::vector<int> counts(name_count_);
      for (Eigen::Index i = 0; i < n; ++i) {
        for (std::size_t l = 0; l < space_.layers.size(); ++l) ++counts[names_[l][architectures_[i][l]]];
        for (Eigen::Index j = 0; j <= i; ++j) {
          int matches = 0;
          for (std::size_t l = 0; l < space_.layers.size(); ++l) matches += counts[names_[l][architectures_[j][l]]];
          kernel(i, j) = kernel(j, i) = matches;
        }
        for (std::size_t l = 0; l < space_.layers.size(); ++l) counts[names_[l][architectures_[i][l]]] = 0;
      }
      return kernel;
    }
    case kNamePair: {
      features.resize(n, name_pair_count_);
      for (Eigen::Index i = 0; i < n; ++i) features.row(i) = CountNamePairs(architectures_[i]);
      return features * features.transpose();
    }
    case kOption:
      for (Eigen::Index i = 0; i < n; ++i) {
        for (Eigen::Index j = 0; j <= i; ++j) {
          int matches = 0;
          for (std::size_t l = 0; l < space_.layers.size(); ++l)
            matches += architectures_[i][l] == architectures_[j][l];
          kernel(i, j) = kernel(j, i) = matches;
        }
      }
      return kernel;
    default:
      for (Eigen::Index i = 0; i < n; ++i) {
        for (Eigen::Index j = 0; j <= i; ++j) {
          const Architecture& a = architectures_[i];
          const Architecture& b = architectures_[j];
          int matches = 0;
          for (const LayerPair& pair : options_.pairs) {
            matches += a[pair.first] == b[pair.first] && a[pair.second] == b[pair.second];
          }
          kernel(i, j) = kernel(j, i) = matches;
        }
      }
      return kernel;
  }
}

std::size_t Model::EffectAt(std::size_t p, const Architecture& architecture) const {
  const LayerPair& pair = options_.pairs[p];
  return architecture[pair.first] * std::size_t{space_.layers[pair.second].option_count} + architecture[pair.second];
}

Eigen::VectorXd Model::CountNamePairs(const Architecture& architecture) const {
  Eigen::VectorXd counts = Eigen::VectorXd::Zero(name_pair_count_);
  for (std::size_t p = 0; p < name_pairs_.size(); ++p) counts[name_pairs_[p][EffectAt(p, architecture)]] += 1;
  return counts;
}

Eigen::MatrixXd Model::Kernel() const {
  const Eigen::Index n = values_.size();
  Eigen::MatrixXd kernel = Eigen::MatrixXd::Constant(n, n, kMeanVariance);
  for (int group = 0; group < kGroupCount; ++group) {
    if (kernels_[group].size() > 0) kernel += std::exp(log_variance_[group]) * kernels_[group];
  }
  kernel.diagonal().array() += NoiseVariance();
  return kernel;
}

void Model::FitVariances() {
  // Rprop (Riedmiller 1992) on the log marginal likelihood plus the log prior. A few steps are
  // enough, because the next fit continues from here.
  constexpr int kSteps = 15;
  const Eigen::Index all = values_.size();
  const Eigen::Index n = std::min(all, kMaxForVariances);
  // Evenly spread over the order of arrival.
  std::vector<Eigen::Index> chosen(n);
  for (Eigen::Index i = 0; i < n; ++i) chosen[i] = i * all / n;
  std::array<Eigen::MatrixXd, kGroupCount> kernels;
  for (int group = 0; group < kGroupCount; ++group) {
    if (kernels_[group].size() > 0) kernels[group] = kernels_[group](chosen, chosen);
  }
  const Eigen::VectorXd y = values_(chosen);
  std::array<double, kGroupCount + 1> step;
  std::array<double, kGroupCount + 1> last{};
  step.fill(0.3);
  for (int s = 0; s < kSteps; ++s) {
    Eigen::MatrixXd kernel = Eigen::MatrixXd::Constant(n, n, kMeanVariance);
    for (int group = 0; group < kGroupCount; ++group) {
      if (kernels[group].size() > 0) kernel += std::exp(log_variance_[group]) * kernels[group];
    }
    kernel.diagonal().array() += NoiseVariance();
    const Eigen::LLT<Eigen::MatrixXd> factor(kernel);
    const Eigen::VectorXd alpha = factor.solve(y);
    const Eigen::MatrixXd inverse = factor.solve(Eigen::MatrixXd::Identity(n, n));
    for (int h = 0; h <= kGroupCount; ++h) {
      double gradient = 0;
      double* log_variance = nullptr;
      if (h == kGroupCount) {
        gradient = 0.5 * std::exp(log_noise_) * (alpha.squaredNorm() - inverse.trace());
        log_variance = &log_noise_;
      } else {
        if (kernels[h].size() == 0) continue;
        gradient =
            0.5 * std::exp(log_variance_[h]) * (alpha.dot(kernels[h] * alpha) - inverse.cwiseProduct(kernels[h]).sum());
        log_variance = &log_variance_[h];
      }
      gradient -= (*log_variance - first_log_variance_[h]) / (kLogVarianceDeviation * kLogVarianceDeviation);
      if (gradient * last[h] > 0) {
        step[h] = std::min(step[h] * 1.2, 1.0);
      } else if (gradient * last[h] < 0) {
        step[h] *= 0.5;
      }
      last[h] = gradient;
      *log_variance += gradient > 0 ? step[h] : gradient < 0 ? -step[h] : 0;
      *log_variance = std::clamp(*log_variance, -16.0, 4.0);
    }
  }
}

void Model::AddFeatures(const Eigen::VectorXd& v, Surface& surface) const {
  double slope = 0;
  std::vector<double> layer_slopes(space_.layers.size());
  std::vector<double> by_name(name_count_);
  Eigen::VectorXd by_name_pair = Eigen::VectorXd::Zero(name_pair_count_);
  Surface particular = MakeSurface(space_, options_.pairs);
  for (std::size_t i = 0; i < architectures_.size(); ++i) {
    const Architecture& architecture = architectures_[i];
    const double weight = v[static_cast<Eigen::Index>(i)];
    surface.bias += kMeanVariance * weight;
    for (std::size_t l = 0; l < space_.layers.size(); ++l) {
      const OptionIndex option = architecture[l];
      if (!options_.cost_shares.empty()) {
        slope += weight * options_.cost_shares[l][option];
        layer_slopes[l] += weight * options_.cost_shares[l][option];
      }
      by_name[names_[l][option]] += weight;
      particular.options[l][option] += weight;
    }
    for (std::size_t p = 0; p < options_.pairs.size(); ++p) {
      particular.pair_effects[p][EffectAt(p, architecture)] += weight;
    }
    for (std::size_t p = 0; p < name_pairs_.size(); ++p) {
      by_name_pair[name_pairs_[p][EffectAt(p, architecture)]] += weight;
    }
  }
  std::array<double, kGroupCount> variance;
  for (int group = 0; group < kGroupCount; ++group) variance[group] = std::exp(log_variance_[group]);
  for (std::size_t l = 0; l < space_.layers.size(); ++l) {
    for (OptionIndex option = 0; option < space_.layers[l].option_count; ++option) {
      double& effect = surface.options[l][option];
      if (!options_.cost_shares.empty()) {
        effect +=
            (variance[kSlope] * slope + variance[kLayerSlope] * layer_slopes[l]) * options_.cost_shares[l][option];
      }
      effect += variance[kName] * by_name[names_[l][option]] + variance[kOption] * particular.options[l][option];
    }
  }
  for (std::size_t p = 0; p < options_.pairs.size(); ++p) {
    for (std::size_t k = 0; k < surface.pair_effects[p].size(); ++k) {
      surface.pair_effects[p][k] += variance[kPair] * particular.pair_effects[p][k];
      if (!name_pairs_.empty()) surface.pair_effects[p][k] += variance[kNamePair] * by_name_pair[name_pairs_[p][k]];
    }
  }
}

Surface Model::DrawPrior(RandomStream& random) const {
  const auto draw = [&](Group group) { return std::exp(0.5 * log_variance_[group]) * random.Normal(); };
  Surface surface = MakeSurface(space_, options_.pairs);
  surface.bias = std::sqrt(kMeanVariance) * random.Normal();
  const double slope = draw(kSlope);
  std::vector<double> by_name(name_count_);
  for (double& effect : by_name) effect = draw(kName);
  for (std::size_t l = 0; l < space_.layers.size(); ++l) {
    const double layer_slope = draw(kLayerSlope);
    for (OptionIndex option = 0; option < space_.layers[l].option_count; ++option) {
      surface.options[l][option] = by_name[names_[l][option]] + draw(kOption);
      if (!options_.cost_shares.empty()) {
        surface.options[l][option] += (slope + layer_slope) * options_.cost_shares[l][option];
      }
    }
  }
  Eigen::VectorXd by_name_pair(name_pair_count_);
  for (double& effect : by_name_pair) effect = draw(kNamePair);
  for (std::size_t p = 0; p < surface.pair_effects.size(); ++p) {
    for (std::size_t k = 0; k < surface.pair_effects[p].size(); ++k) {
      surface.pair_effects[p][k] = draw(kPair);
      if (!name_pairs_.empty()) surface.pair_effects[p][k] += by_name_pair[name_pairs_[p][k]];
    }
  }
  return surface;
}

double Model::NoiseVariance() const { return std::exp(log_noise_) + kJitter; }

Eigen::VectorXd Model::PriorCovariance(const Architecture& architecture,
                                       const std::vector<Architecture>& others) const {
  const std::size_t layers = space_.layers.size();
  const bool slopes = !options_.cost_shares.empty();
  std::array<double, kGroupCount> variance;
  for (int group = 0; group < kGroupCount; ++group) variance[group] = std::exp(log_variance_[group]);
  double own_slope = 0;
  std::vector<double> own_names(name_count_);
  const Eigen::VectorXd own_name_pairs = CountNamePairs(architecture);
  for (std::size_t l = 0; l < layers; ++l) {
    if (slopes) own_slope += options_.cost_shares[l][architecture[l]];
    own_names[names_[l][architecture[l]]] += 1;
  }
  Eigen::VectorXd covariances(static_cast<Eigen::Index>(others.size()));
  std::vector<char> equal(layers);
  for (std::size_t i = 0; i < others.size(); ++i) {
    const Architecture& other = others[i];
    double names = 0;
    double options = 0;
    for (std::size_t l = 0; l < layers; ++l) {
      equal[l] = static_cast<char>(architecture[l] == other[l]);
      options += equal[l];
      names += own_names[names_[l][other[l]]];
    }
    double pairs = 0;
    for (const LayerPair& pair : options_.pairs) pairs += equal[pair.first] & equal[pair.second];
    double name_pairs = 0;
    for (std::size_t p = 0; p < name_pairs_.size(); ++p) {
      name_pairs += own_name_pairs[name_pairs_[p][EffectAt(p, other)]];
    }
    double covariance = kMeanVariance + variance[kName] * names + variance[kOption] * options +
                        variance[kPair] * pairs + variance[kNamePair] * name_pairs;
    if (slopes) {
      double slope = 0;
      double layer_slopes = 0;
      for (std::size_t l = 0; l < layers; ++l) {
        const double share = options_.cost_shares[l][other[l]];
        slope += share;
        layer_slopes += share * options_.cost_shares[l][architecture[l]];
      }
      covariance += variance[kSlope] * own_slope * slope + variance[kLayerSlope] * layer_slopes;
    }
    covariances[static_cast<Eigen::Index>(i)] = covariance;
  }
  return covariances;
}

Eigen::MatrixXd Model::Whitened(const std::vector<Architecture>& architectures) const {
  Eigen::MatrixXd covariances(values_.size(), static_cast<Eigen::Index>(architectures.size()));
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    covariances.col(static_cast<Eigen::Index>(i)) = PriorCovariance(architectures[i], architectures_);
  }
  if (!architectures.empty()) factor_.triangularView<Eigen::Lower>().solveInPlace(covariances);
  return covariances;
}

Surface Model::Mean() const {
  RandomStream unused({});
  return Draw(unused, 0);
}

Surface Model::Draw(RandomStream& random, double spread) const {
  // Matheron's rule: a draw from the prior, corrected by what the data say about its error. Without
  // spread only the mean is left.
  Surface surface = MakeSurface(space_, options_.pairs);
  Eigen::VectorXd residual = values_;
  if (spread > 0) {
    surface = DrawPrior(random);
    for (auto& effects : surface.options) {
      for (double& effect : effects) effect *= spread;
    }
    for (auto& effects : surface.pair_effects) {
      for (double& effect : effects) effect *= spread;
    }
    surface.bias *= spread;
    const double noise = spread * std::exp(0.5 * log_noise_);
    for (std::size_t i = 0; i < architectures_.size(); ++i) {
      residual[static_cast<Eigen::Index>(i)] -= surface.At(architectures_[i]) + noise * random.Normal();
    }
  }
  if (!architectures_.empty()) AddFeatures(Weights(std::move(residual)), surface);
  surface.bias = surface.bias * scale_ + mean_;
  for (auto& effects : surface.options) {
    for (double& effect : effects) effect *= scale_;
  }
  for (auto& effects : surface.pair_effects) {
    for (double& effect : effects) effect *= scale_;
  }
  return surface;
}

}  // namespace layernas::core
