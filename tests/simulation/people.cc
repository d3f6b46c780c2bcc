#include "tests/simulation/people.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/simulation/spec_drawing.h"

namespace layernas::simulation {

v1::SearchSpec People::DrawAnother() { return DrawSpec(draw_, evaluators_); }

void People::Want(const v1::SearchSpec& spec) {
  wanted_.push_back({spec, absl::StrCat("request-", ++requests_), std::nullopt});
  SubmitWanted();
}

void People::SubmitWanted() {
  if (!controller_.up()) return;
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const Wanted& wanted = wanted_[i];
    if (wanted.name || wanted.is_over) continue;
    std::string bytes;
    wanted.spec.SerializeToString(&bytes);
    controller_.engine().CreateSearch(
        {wanted.spec.name(), bytes, configs_.Of(bytes), wanted.request_id},
        [this, i, request = wanted.request_id](const absl::StatusOr<SearchView>& view) {
          // The disk may have been replaced meanwhile.
          if (!view.ok() || wanted_[i].request_id != request) return;
          wanted_[i].name = view->name;
          story_.Tell("people: ", request, " is ", view->name);
          const auto id = ParseSearchName(view->name)->id;
          if (!controller_.book().searches().contains(id)) {
            story_.Find("nothing lost", absl::StrCat(view->name, " was confirmed and is not on the disk"));
          }
        });
  }
  controller_.Nudge();
}

Reply<SearchView> People::Told(const std::string& what, const std::string& name) {
  return [this, what, name](const absl::StatusOr<SearchView>& view) {
    story_.Tell("people: ", what, " ", name, ": ", view.ok() ? "done" : view.status().message());
  };
}

void People::Meddle() {
  if (!controller_.up()) return;
  std::vector<std::string> names;
  for (const Wanted& wanted : wanted_) {
    if (wanted.name) names.push_back(*wanted.name);
  }
  if (names.empty()) return;
  const std::string name = draw_.Pick(names);
  if (draw_.Chance(0.5)) {
    Change(name);
  } else {
    Read(name);
  }
  controller_.Nudge();
}

void People::Change(const std::string& name) {
  Engine& engine = controller_.engine();
  switch (draw_.Between(0, 9)) {
    case 0:
    case 1:
    case 2:
      return engine.PauseSearch(name, Told("pause", name));
    case 3:
    case 4:
    case 5:
    case 6:
      return engine.ResumeSearch(name, Told("resume", name));
    case 7: {
      SharingUpdate update;
      if (draw_.Chance(0.5)) update.max_running = draw_.Between(0, 3);
      if (draw_.Chance(0.5)) update.priority = draw_.Between(-1, 1);
      if (draw_.Chance(0.5)) update.weight = draw_.Between(1, 4);
      return engine.UpdateSearch(name, update, Told("update", name));
    }
    case 8:
      if (draw_.Chance(0.3)) engine.CancelSearch(name, Told("cancel", name));
      return;
    default:
      controller_.book().MayDelete(ParseSearchName(name)->id);
      for (Wanted& wanted : wanted_) wanted.is_over = wanted.is_over || wanted.name == name;
      return engine.DeleteSearch(name, Told("delete", name));
  }
}

void People::Read(const std::string& name) {
  Engine& engine = controller_.engine();
  switch (draw_.Between(0, 5)) {
    case 0:
      return engine.GetSearch(name, Told("get", name));
    case 1:
      return engine.ListSearches(~std::uint64_t{0}, 3, [](const absl::StatusOr<Page<SearchView>>&) {});
    case 2:
      return engine.ListCandidates(name, {}, 0, 10, [](const absl::StatusOr<CandidatePage>&) {});
    case 3:
      return engine.GetFrontier(name, -1, 10, [](const absl::StatusOr<FrontierView>&) {});
    case 4:
      return engine.GetBuckets(name, {}, [](const absl::StatusOr<BucketsView>&) {});
    default:
      return engine.ListWorkers("", 10, [](const absl::StatusOr<std::vector<WorkerView>>&) {});
  }
}

void People::ResumeAll() {
  if (!controller_.up()) return;
  for (const auto& [id, search] : controller_.book().searches()) {
    if (search.stored.state != core::SearchState::kPaused) continue;
    const std::string name = SearchName(search.stored.slug, id);
    controller_.engine().ResumeSearch(name, Told("resume", name));
  }
  controller_.Nudge();
}

void People::LookAgain() {
  const bool other_specs = draw_.Chance(0.5);
  for (Wanted& wanted : wanted_) {
    if (wanted.name && controller_.book().searches().contains(ParseSearchName(*wanted.name)->id)) continue;
    wanted.name.reset();
    wanted.is_over = false;
    if (!other_specs) continue;
    wanted.request_id = absl::StrCat("request-", ++requests_);
    if (draw_.Chance(0.5)) {
      wanted.spec.mutable_space()->mutable_network()->set_classes(draw_.Between(1, evaluators_));
    } else {
      wanted.spec = DrawAnother();
    }
  }
}

bool People::IsAllSubmitted() const {
  return std::all_of(wanted_.begin(), wanted_.end(),
                     [](const Wanted& wanted) { return wanted.name || wanted.is_over; });
}

std::optional<std::string> People::PickSpec() {
  if (wanted_.empty()) return std::nullopt;
  std::string bytes;
  draw_.Pick(wanted_).spec.SerializeToString(&bytes);
  return bytes;
}

}  // namespace layernas::simulation
