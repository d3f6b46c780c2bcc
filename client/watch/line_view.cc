#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/output/units.h"
#include "client/watch/watch_view.h"

namespace layernas::client {
namespace {

class LineView : public WatchView {
 public:
  explicit LineView(const Terminal& terminal) : terminal_(terminal) {}

  void Show(const v1::WatchSearchResponse& change) override {
    const std::string time = FormatTimeOfDay(change.time());
    switch (change.change_case()) {
      case v1::WatchSearchResponse::kSearch:
        ShowSearch(time, change.search());
        break;
      case v1::WatchSearchResponse::kSnapshot:
        Print(time, "earlier changes are no longer kept; continuing from here");
        ShowSearch(time, change.snapshot());
        break;
      case v1::WatchSearchResponse::kCandidate:
        if (IsFinal(change.candidate().state())) ShowCandidate(time, change.candidate());
        break;
      case v1::WatchSearchResponse::CHANGE_NOT_SET:
        break;
    }
    terminal_.out.flush();
  }

  void Notice(const std::string& text) override { terminal_.err << terminal_.Shown(text) << '\n' << std::flush; }

  bool OutputLost() override { return !terminal_.out.good(); }
  void End() override {}

 private:
  void Print(const std::string& time, const std::string& text) {
    terminal_.out << time << "  " << terminal_.Shown(text) << '\n';
  }

  void ShowSearch(const std::string& time, const v1::Search& search) {
    // Print each of these only when it changes.
    PrintChange(
        time, "state",
        absl::StrCat("search ", ShortName(search.name()), " ", StateSentence(search.state()), ReasonText(search)));
    if (!IsFinal(search.state())) PrintChange(time, "stage", StageText(search));
    PrintChange(time, "waiting",
                search.waiting_for().empty() ? "" : absl::StrCat("waiting for ", search.waiting_for()));
    for (const v1::TargetBest& best : search.best()) {
      if (best.has_best() || IsFinal(search.state())) {
        PrintChange(time, absl::StrCat("best ", FormatExact(best.target())),
                    absl::StrCat(best.has_best() ? "best for " : "", BestText(search, best)));
      }
    }
    reward_ = RewardName(search);
    cost_ = CostName(search);
  }

  void PrintChange(const std::string& time, const std::string& what, const std::string& text) {
    std::string& last = last_[what];
    if (last == text) return;
    last = text;
    if (!text.empty()) Print(time, text);
  }

  void ShowCandidate(const std::string& time, const v1::Candidate& candidate) {
    std::string line = absl::StrCat("candidate ", ShortName(candidate.name()), "  ", candidate.architecture().id(),
                                    "  ", StateText(candidate.state()));
    if (candidate.state() == v1::CANDIDATE_STATE_SUCCEEDED) {
      absl::StrAppend(&line, "  ", reward_, "=", FormatValue(candidate.reward()), "  ", cost_, "=",
                      FormatValue(candidate.cost()));
    } else if (candidate.state() != v1::CANDIDATE_STATE_SKIPPED && candidate.state() != v1::CANDIDATE_STATE_STOPPED &&
               !candidate.failures().empty()) {
      // A skipped or stopped candidate may have failed before, but that is not the reason.
      absl::StrAppend(&line, ": ", OneLine(candidate.failures().rbegin()->message()));
    }
    Print(time, line);
  }

  const Terminal terminal_;
  std::string reward_ = "reward";
  std::string cost_ = "cost";
  std::map<std::string, std::string> last_;
};

class JsonView : public WatchView {
 public:
  explicit JsonView(const Terminal& terminal) : terminal_(terminal) {}

  void Show(const v1::WatchSearchResponse& change) override {
    PrintJson(terminal_.out, change, JsonLayout::kOneLine);
    terminal_.out.flush();
  }
  void Notice(const std::string& text) override { terminal_.err << terminal_.Shown(text) << '\n' << std::flush; }
  bool OutputLost() override { return !terminal_.out.good(); }
  void End() override {}

 private:
  const Terminal terminal_;
};

}  // namespace

std::unique_ptr<WatchView> MakeLineView(const Terminal& terminal) { return std::make_unique<LineView>(terminal); }

std::unique_ptr<WatchView> MakeJsonView(const Terminal& terminal) { return std::make_unique<JsonView>(terminal); }

}  // namespace layernas::client
