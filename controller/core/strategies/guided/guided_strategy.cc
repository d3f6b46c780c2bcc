#include "controller/core/strategies/guided/guided_strategy.h"

#include <algorithm>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/strategies/guided/proposer.h"
#include "controller/core/strategies/within_limit.h"

namespace layernas::core {
namespace {

// Maximum share of the trainings for the design.
constexpr double kDesignShare = 1.0 / 3;
// Maximum rounds of the design; each contains every option of every layer.
constexpr std::size_t kDesignRounds = 2;

}  // namespace

GuidedStrategy::GuidedStrategy(const Space& space, std::span<const double> targets, std::int64_t trainings,
                               std::uint64_t seed)
    : space_(space),
      targets_(targets.begin(), targets.end()),
      seed_(seed),
      knowledge_(std::make_unique<GuidedKnowledge>(space, targets)) {
  MakeDesign(trainings);
  NoteWhatIsLeft();
}

void GuidedStrategy::MakeDesign(std::int64_t trainings) {
  // If nothing is within a target, there is nothing to learn.
  if (!knowledge_->IsAnythingLeft()) return;
  // Make rounds that contain every option of every layer (Latin hypercube), up to the share of the
  // budget.
  std::size_t max_options = 0;
  for (const Layer& layer : space_.layers) max_options = std::max<std::size_t>(max_options, layer.option_count);
  std::size_t count = max_options;
  if (trainings > 0) {
    const auto affordable = static_cast<std::size_t>(kDesignShare * static_cast<double>(trainings));
    count = std::min(std::max<std::size_t>(affordable, 2), kDesignRounds * max_options);
  }
  RandomStream random({seed_, 0xde51});
  for (std::size_t begin = 0; begin < count; begin += max_options) {
    std::vector<Architecture> round(std::min(max_options, count - begin), Architecture(space_.layers.size()));
    for (std::size_t l = 0; l < space_.layers.size(); ++l) {
      std::vector<OptionIndex> order(max_options);
      for (std::size_t i = 0; i < max_options; ++i) {
        order[i] = static_cast<OptionIndex>(i % space_.layers[l].option_count);
      }
      Shuffle(order, random);
      for (std::size_t i = 0; i < round.size(); ++i) round[i][l] = order[i];
    }
    for (Architecture& architecture : round) {
      if (knowledge_->Propose(architecture)) ready_.push_back(std::move(architecture));
    }
  }
}

void GuidedStrategy::Restore(std::span<const PastProposal> past) {
  ArchitectureIndex seen(space_.layers.size());
  for (const PastProposal& one : past) {
    seen.Insert(one.proposal.architecture);
    // Proposals of the design are already known.
    if (knowledge_->Propose(one.proposal.architecture)) ++computed_;
    if (one.observation) {
      knowledge_->Note(one.proposal.architecture, *one.observation);
    } else {
      under_way_.push_back(one.proposal.architecture);
    }
  }
  std::erase_if(ready_, [&seen](const Architecture& architecture) { return seen.Contains(architecture); });
  NoteWhatIsLeft();
}

Supply GuidedStrategy::supply() const {
  const std::size_t computable = anything_left_ ? CountLeft(space_, std::nullopt, proposed_) : 0;
  if (!ready_.empty()) return {Supply::When::kNow, ready_.size() + computable, ""};
  if (anything_left_) return {Supply::When::kAfterWork, computable, ""};
  return {Supply::When::kNever, 0, WhyNothingIsLeft(space_, targets_, tried_)};
}

std::optional<Proposal> GuidedStrategy::Propose() {
  if (ready_.empty()) return std::nullopt;
  Proposal proposal{std::move(ready_.front()), {}};
  under_way_.push_back(proposal.architecture);
  ready_.pop_front();
  return proposal;
}

void GuidedStrategy::Observe(const Architecture& architecture, const Observation& observation) {
  std::erase(under_way_, architecture);
  news_.emplace_back(architecture, observation);
}

std::unique_ptr<BackgroundWork> GuidedStrategy::StartWork(std::size_t wanted) {
  if (wanted <= ready_.size() || knowledge_ == nullptr || !anything_left_) return nullptr;
  GuidedTask task;
  task.knowledge = std::move(knowledge_);
  task.news = std::exchange(news_, {});
  task.under_way = under_way_;
  task.under_way.insert(task.under_way.end(), ready_.begin(), ready_.end());
  task.seed = seed_;
  task.first = computed_;
  task.wanted = wanted - ready_.size();
  computed_ += task.wanted;
  return std::make_unique<GuidedProposer>(std::move(task));
}

void GuidedStrategy::FinishWork(BackgroundWork& work) {
  auto& proposer = static_cast<GuidedProposer&>(work);
  knowledge_ = proposer.TakeKnowledge();
  for (Architecture& architecture : proposer.found()) ready_.push_back(std::move(architecture));
  NoteWhatIsLeft();
}

void GuidedStrategy::NoteWhatIsLeft() {
  anything_left_ = knowledge_->IsAnythingLeft();
  proposed_ = knowledge_->proposed().size();
  tried_ = knowledge_->tried();
}

}  // namespace layernas::core
