#include "benchmarks/peers/peer.h"

#include "benchmarks/peers/bananas.h"
#include "benchmarks/peers/gaussian_process.h"
#include "benchmarks/peers/local_search.h"
#include "benchmarks/peers/model_search.h"
#include "benchmarks/peers/random_forest.h"
#include "benchmarks/peers/trials.h"

namespace layernas::bench {

std::vector<std::string> PeerNames() { return {"gaussian_process", "random_forest", "bananas", "local_search"}; }

std::unique_ptr<Peer> MakePeer(const std::string& name, const core::Space& space, double target, std::uint64_t seed) {
  Trials trials(space, target, seed);
  const bool needs_cost = !space.CostIsPerLayer();
  if (name == "gaussian_process") {
    const auto model = [&space] { return std::make_unique<GaussianProcess>(space.layers.size()); };
    return std::make_unique<ModelSearch>(std::move(trials), model(), needs_cost ? model() : nullptr);
  }
  if (name == "random_forest") {
    const auto model = [](std::uint64_t its) { return std::make_unique<RandomForest>(its); };
    return std::make_unique<ModelSearch>(std::move(trials), model(seed), needs_cost ? model(seed + 1) : nullptr);
  }
  if (name == "bananas") return std::make_unique<Bananas>(std::move(trials));
  if (name == "local_search") return std::make_unique<LocalSearch>(std::move(trials));
  return nullptr;
}

}  // namespace layernas::bench
