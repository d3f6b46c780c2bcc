#include "client/watch/progress_text.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "client/output/table.h"
#include "client/output/units.h"
#include "client/search_text.h"

namespace layernas::client {
namespace {

// Cut to `columns` characters, without cutting one in half.
std::string Fit(const std::string& text, int columns) {
  std::string fitted = Printable(text);
  int width = 0;
  for (std::size_t i = 0; i < fitted.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(fitted[i]) & 0xc0) != 0x80;
    if (starts_character && ++width > columns) return fitted.substr(0, i);
  }
  return fitted;
}

std::string Left(const v1::SearchProgress& progress, std::chrono::seconds elapsed) {
  const int done = progress.succeeded() + progress.infeasible() + progress.failed();
  const int left = progress.trainings_budget() - done;
  // Too few, or too short a time, say nothing about the rest.
  if (progress.trainings_budget() == 0 || done < 3 || elapsed.count() < 5 || left <= 0) return "";
  return absl::StrCat(", at most ", FormatElapsed(elapsed * left / done), " left");
}

}  // namespace

std::string ProgressBar(double done, double total, int columns) {
  const int inner = std::max(columns - 2, 1);
  const int filled = static_cast<int>(std::clamp(done / total, 0.0, 1.0) * inner);
  std::string bar(static_cast<std::size_t>(inner) + 2, '-');
  std::fill_n(bar.begin() + 1, filled, '#');
  bar.front() = '[';
  bar.back() = ']';
  return bar;
}

std::vector<std::string> ProgressLines(const v1::Search& search, std::chrono::seconds elapsed, int columns) {
  const v1::SearchProgress& progress = search.progress();
  std::vector<std::string> lines;
  const std::string stage = StageText(search);
  lines.push_back(absl::StrCat(ShortName(search.name()), "  ", StateText(search.state()), stage.empty() ? "" : "  ",
                               stage, "  ", FormatElapsed(elapsed)));
  std::string trainings =
      absl::StrCat(TrainingsText(progress), " trainings", IsFinal(search.state()) ? "" : Left(progress, elapsed));
  if (progress.trainings_budget() > 0) {
    constexpr int kBarColumns = 30;
    trainings =
        absl::StrCat(ProgressBar(progress.trainings(), progress.trainings_budget(), kBarColumns), " ", trainings);
  }
  lines.push_back(trainings);
  lines.push_back(absl::StrCat(progress.leased(), " running, ", progress.queued(), " queued, ", progress.succeeded(),
                               " succeeded, ", progress.infeasible(), " infeasible, ", progress.failed(), " failed"));
  for (const v1::TargetBest& best : search.best()) lines.push_back(BestText(search, best));
  if (!search.waiting_for().empty()) lines.push_back(absl::StrCat("waiting for ", search.waiting_for()));
  if (!search.state_reason().empty()) lines.push_back(search.state_reason());
  for (std::string& line : lines) line = Fit(line, columns);
  return lines;
}

}  // namespace layernas::client
