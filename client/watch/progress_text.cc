#include "client/watch/progress_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "client/output/search_text.h"
#include "client/output/units.h"
#include "common/base/utf8.h"

namespace layernas::client {
namespace {

constexpr int kLabelColumns = 9;
constexpr int kBarColumns = 30;
// A shorter bar shows nothing.
constexpr int kMinBarColumns = 6;
constexpr int kSparkColumns = 40;

// Cuts the text to `columns`.
std::string Fit(const std::string& text, int columns) {
  return std::string(FirstColumns(Printable(text), static_cast<std::size_t>(columns)));
}

google::protobuf::Timestamp ToTimestamp(std::chrono::system_clock::time_point time) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
  return timestamp;
}

// For example ", 1.2 a second, about 4m10s left, until 15:32:07".
std::string Left(const WatchState& state, std::chrono::system_clock::time_point now) {
  const std::optional<double> rate = state.Rate(now);
  if (!rate.has_value()) return "";
  const v1::SearchProgress& progress = state.search().progress();
  std::string text = *rate >= 1 ? absl::StrCat(", ", FormatValue(std::round(*rate * 10) / 10), " a second")
                                : absl::StrCat(", ", FormatValue(std::round(*rate * 600) / 10), " a minute");
  const int left = progress.trainings_budget() - progress.succeeded() - progress.infeasible() - progress.failed() -
                   progress.stopped();
  const double seconds = left / *rate;
  // The budget is only a maximum, and an estimate of more than a year is useless.
  if (progress.trainings_budget() == 0 || left <= 0 || seconds > 365 * 86400.0) return text;
  const std::chrono::seconds rest(static_cast<std::int64_t>(std::ceil(seconds)));
  absl::StrAppend(&text, ", about ", FormatElapsed(rest), " left, until ", FormatTimeOfDay(ToTimestamp(now + rest)));
  return text;
}

// `now`: by the controller's clock, as the times of the search.
std::string Elapsed(const v1::Search& search, std::chrono::system_clock::time_point now) {
  const std::int64_t end = search.has_end_time() ? search.end_time().seconds() : ToTimestamp(now).seconds();
  return FormatElapsed(std::chrono::seconds(std::max<std::int64_t>(end - search.create_time().seconds(), 0)));
}

Style StyleOf(v1::SearchState state) {
  return state == v1::SEARCH_STATE_SUCCEEDED ? Style::kGood
         : state == v1::SEARCH_STATE_FAILED  ? Style::kBad
                                             : Style::kPlain;
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

std::string Sparkline(std::span<const double> values, int columns) {
  constexpr std::array<const char*, 8> kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty() || columns < 1) return "";
  const std::size_t groups = std::min(values.size(), static_cast<std::size_t>(columns));
  std::vector<double> highest;
  for (std::size_t i = 0; i < groups; ++i) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i * values.size() / groups);
    const auto end = values.begin() + static_cast<std::ptrdiff_t>((i + 1) * values.size() / groups);
    highest.push_back(*std::max_element(begin, end));
  }
  const auto [low, high] = std::minmax_element(highest.begin(), highest.end());
  std::string text;
  for (const double value : highest) {
    const double share = *high > *low ? (value - *low) / (*high - *low) : 1;
    text += kBars[static_cast<std::size_t>(std::lround(share * (kBars.size() - 1)))];
  }
  return text;
}

std::vector<ProgressLine> ProgressLines(const WatchState& state, std::chrono::system_clock::time_point now, int columns,
                                        bool unicode) {
  const v1::Search& search = state.search();
  const v1::SearchProgress& progress = search.progress();
  const bool over = IsFinal(search.state());
  std::vector<ProgressLine> lines;
  const std::string stage = StageText(search);
  lines.push_back({"search",
                   absl::StrCat(ShortName(search.name()), " ", StateSentence(search.state()), ReasonText(search),
                                stage.empty() ? "" : ", ", stage, ", ", Elapsed(search, state.ControllerTime(now))),
                   StyleOf(search.state())});
  std::string trainings = absl::StrCat(TrainingsText(progress), " trainings", over ? "" : Left(state, now));
  if (progress.trainings_budget() > 0) {
    // The count is more important than the bar, so it stays if there is little room.
    const std::string count = absl::StrCat(TrainingsText(progress), " trainings");
    const int room = columns - kLabelColumns - 2 - static_cast<int>(Width(count));
    const int bar = std::min(kBarColumns, room);
    if (bar >= kMinBarColumns) {
      trainings = absl::StrCat(ProgressBar(progress.trainings(), progress.trainings_budget(), bar), " ", trainings);
    }
  }
  lines.push_back({"progress", trainings});
  if (!state.rewards().empty()) {
    const std::vector<double> rewards(state.rewards().begin(), state.rewards().end());
    const auto [low, high] = std::minmax_element(rewards.begin(), rewards.end());
    lines.push_back({RewardName(search),
                     absl::StrCat(Sparkline(rewards, std::min(kSparkColumns, columns / 2)), " ", FormatValue(*low),
                                  " to ", FormatValue(*high), " of the last ", rewards.size())});
  }
  std::string label = "best";
  for (const v1::TargetBest& best : search.best()) {
    lines.push_back({std::exchange(label, ""), BestText(search, best)});
  }
  lines.push_back(
      {"now", absl::StrCat(progress.leased(), " running, ", progress.queued(), " queued, ", progress.succeeded(),
                           " succeeded, ", progress.infeasible(), " infeasible, ", progress.failed(), " failed",
                           progress.stopped() > 0 ? absl::StrCat(", ", progress.stopped(), " stopped early") : "")});
  if (state.fleet().has_value() && !over) {
    const Fleet& fleet = *state.fleet();
    lines.push_back({"fleet", absl::StrCat(fleet.workers, fleet.workers == 1 ? " worker, " : " workers, ", fleet.busy,
                                           " of ", fleet.slots, " slots busy",
                                           fleet.shunned > 0 ? absl::StrCat(", ", fleet.shunned, " shunned") : "")});
  }
  label = "failed";
  for (const std::string& failure : state.failures()) {
    lines.push_back({std::exchange(label, ""), failure, Style::kBad});
  }
  label = "stopped";
  for (const std::string& stopped : state.stopped()) {
    lines.push_back({std::exchange(label, ""), stopped, Style::kFaint});
  }
  if (!search.waiting_for().empty()) lines.push_back({"waiting", absl::StrCat("for ", search.waiting_for())});
  for (ProgressLine& line : lines) {
    line.label = Fit(line.label, kLabelColumns);
    if (!unicode) line.text = ToAscii(line.text);
    line.text = Fit(line.text, std::max(columns - kLabelColumns - 1, 1));
  }
  return lines;
}

void FitInto(int rows, bool unicode, std::vector<ProgressLine>& lines) {
  const auto room = static_cast<std::size_t>(rows);
  if (lines.size() <= room) return;
  const std::size_t left_out = lines.size() - room + 1;
  lines.resize(room - 1);
  lines.push_back({"", absl::StrCat(unicode ? "…" : "...", " ", left_out, " more lines"), Style::kFaint});
}

std::string ToText(const ProgressLine& line, bool color) {
  const std::string padding(static_cast<std::size_t>(kLabelColumns) + 1 - Width(line.label), ' ');
  return absl::StrCat(Styled(line.label, Style::kFaint, color), padding, Styled(line.text, line.style, color));
}

}  // namespace layernas::client
