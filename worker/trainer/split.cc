#include "worker/trainer/split.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <utility>

#include "common/base/random.h"

namespace layernas::trainer {
namespace {

// The keys of the random streams; shapes10 has its own keys.
constexpr std::uint64_t kSplitStream = 1;
constexpr std::uint64_t kSubsetStream = 2;

// The images of each class in random order, and the classes in random order.
struct Classes {
  std::vector<std::vector<std::uint32_t>> images;
  // rank[c] is the place of class c. It decides between classes with equal claims.
  std::vector<std::size_t> rank;

  std::vector<std::size_t> Sizes() const {
    std::vector<std::size_t> sizes;
    for (const auto& of_class : images) sizes.push_back(of_class.size());
    return sizes;
  }
};

Classes DrawClasses(const std::vector<Label>& labels, RandomStream random) {
  Classes classes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= classes.images.size()) classes.images.resize(labels[i] + std::size_t{1});
    classes.images[labels[i]].push_back(static_cast<std::uint32_t>(i));
  }
  classes.rank.resize(classes.images.size());
  std::iota(classes.rank.begin(), classes.rank.end(), 0);
  Shuffle(classes.rank, random);
  for (auto& of_class : classes.images) Shuffle(of_class, random);
  return classes;
}

// Returns the number of images per class, `count` in total. They are distributed in proportion to
// the sizes of the classes (Webster/Sainte-Laguë method), after one for each class. `limits` are
// the maximum numbers for each class, in total at least `count`.
std::vector<std::size_t> Quotas(const Classes& classes, std::size_t count, const std::vector<std::size_t>& limits) {
  const std::vector<std::size_t> sizes = classes.Sizes();
  std::vector<std::size_t> quotas(sizes.size());
  struct Claim {
    bool first;
    double strength;
    std::size_t rank;
    std::size_t of_class;
    bool operator<(const Claim& other) const {
      if (first != other.first) return other.first;
      if (strength != other.strength) return strength < other.strength;
      return rank > other.rank;
    }
  };
  std::priority_queue<Claim> claims;
  const auto claim = [&](std::size_t c) {
    if (quotas[c] == limits[c]) return;
    claims.push({quotas[c] == 0, static_cast<double>(sizes[c]) / (2.0 * static_cast<double>(quotas[c]) + 1),
                 classes.rank[c], c});
  };
  for (std::size_t c = 0; c < sizes.size(); ++c) claim(c);
  for (; count > 0; --count) {
    const std::size_t c = claims.top().of_class;
    claims.pop();
    ++quotas[c];
    claim(c);
  }
  return quotas;
}

std::size_t Sum(const std::vector<std::size_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::size_t{0});
}

}  // namespace

Split DrawSplit(const std::vector<Label>& labels, std::size_t held_out, std::size_t train, std::uint64_t seed) {
  const Classes classes = DrawClasses(labels, RandomStream({seed, kSplitStream}));
  std::vector<std::size_t> rest = classes.Sizes();
  std::vector<std::size_t> but_one = rest;
  for (std::size_t& size : but_one) size -= std::min<std::size_t>(size, 1);
  const std::vector<std::size_t> held_out_quotas = Quotas(classes, held_out, Sum(but_one) >= held_out ? but_one : rest);
  for (std::size_t c = 0; c < rest.size(); ++c) rest[c] -= held_out_quotas[c];
  const std::vector<std::size_t> train_quotas = Quotas(classes, train, rest);

  Split split;
  for (std::size_t c = 0; c < rest.size(); ++c) {
    const std::vector<std::uint32_t>& images = classes.images[c];
    const auto begin = images.begin();
    split.held_out.insert(split.held_out.end(), begin, begin + static_cast<std::ptrdiff_t>(held_out_quotas[c]));
    // Take them from the end, so that the number of held-out images can change without changing the
    // training images.
    split.train.insert(split.train.end(), images.end() - static_cast<std::ptrdiff_t>(train_quotas[c]), images.end());
  }
  std::sort(split.held_out.begin(), split.held_out.end());
  std::sort(split.train.begin(), split.train.end());
  return split;
}

std::vector<std::uint32_t> DrawSubset(const std::vector<Label>& labels, std::size_t count, std::uint64_t seed) {
  const Classes classes = DrawClasses(labels, RandomStream({seed, kSubsetStream}));
  const std::vector<std::size_t> quotas = Quotas(classes, count, classes.Sizes());
  std::vector<std::uint32_t> subset;
  for (std::size_t c = 0; c < quotas.size(); ++c) {
    const auto begin = classes.images[c].begin();
    subset.insert(subset.end(), begin, begin + static_cast<std::ptrdiff_t>(quotas[c]));
  }
  std::sort(subset.begin(), subset.end());
  return subset;
}

std::string DescribeMissingClasses(const std::string& part, const std::vector<Label>& labels, int classes,
                                   const std::vector<std::string>& names) {
  constexpr std::size_t kMaxNamed = 5;
  std::vector<bool> found(static_cast<std::size_t>(classes));
  for (const Label label : labels) found[label] = true;
  std::string list;
  std::size_t missing = 0;
  for (std::size_t c = 0; c < found.size(); ++c) {
    if (found[c] || ++missing > kMaxNamed) continue;
    list += (missing == 1 ? "" : ", ") + (c < names.size() ? names[c] : std::to_string(c));
  }
  if (missing == 0) return "";
  return std::to_string(missing) + " of " + std::to_string(classes) +
         (missing == 1 ? " classes has" : " classes have") + " no " + part + " image: " + list +
         (missing > kMaxNamed ? ", …" : "");
}

}  // namespace layernas::trainer
