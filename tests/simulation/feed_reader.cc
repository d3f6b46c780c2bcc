#include "tests/simulation/feed_reader.h"

#include "absl/strings/str_cat.h"

namespace layernas::simulation {
namespace {

constexpr std::size_t kLimit = 400;

}  // namespace

void FeedReader::Read() {
  if (is_waiting_ || is_gone_ || !controller_.up()) return;
  is_waiting_ = true;
  controller_.engine().ReadChanges(name_, after_, kLimit,
                                   [this, call = ++call_](const absl::StatusOr<ChangesView>& view) {
                                     if (call != call_) return;
                                     is_waiting_ = false;
                                     is_gone_ = absl::IsNotFound(view.status());
                                     if (view.ok()) Take(*view);
                                   });
  controller_.Nudge();
}

void FeedReader::Take(const ChangesView& view) {
  if (view.gap) {
    story_.Tell("reader: a gap in ", name_, " after ", after_);
    // The reader fetches the current state and continues from there.
    heard_.clear();
    const auto found = controller_.book().searches().find(ParseSearchName(name_)->id);
    if (found == controller_.book().searches().end()) return;
    for (const core::Candidate& candidate : found->second.candidates) heard_[candidate.number] = candidate;
    after_ = view.search.sequence;
    return;
  }
  for (const storage::StoredChange& change : view.changes) {
    if (change.sequence != after_ + 1) {
      story_.Find("nothing lost", absl::StrCat("change ", change.sequence, " of ", name_, " follows on ", after_));
    }
    after_ = change.sequence;
    if (change.candidate) heard_[change.candidate->number] = *change.candidate;
  }
}

void FeedReader::Check() const {
  const auto found = controller_.book().searches().find(ParseSearchName(name_)->id);
  if (is_gone_ || found == controller_.book().searches().end()) return;
  const auto& candidates = found->second.candidates;
  if (heard_.size() != candidates.size()) {
    story_.Find("nothing lost", absl::StrCat("a reader of ", name_, " has heard of ", heard_.size(),
                                             " candidates, and there are ", candidates.size()));
    return;
  }
  for (const auto& [number, candidate] : heard_) {
    const core::Candidate& right = candidates[number - 1];
    if (candidate.state != right.state || candidate.architecture != right.architecture ||
        candidate.metrics != right.metrics || candidate.attempt != right.attempt || candidate.ended != right.ended) {
      story_.Find("nothing lost", absl::StrCat("a reader of ", name_, " has heard another end of candidate ", number));
    }
  }
}

}  // namespace layernas::simulation
