#include "client/watch/watch_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/output/search_text.h"

namespace layernas::client {
namespace {

// Maximum ends from which the rate is computed, and the minimum for a rate.
constexpr std::size_t kMaxEnds = 200;
constexpr std::size_t kMinEnds = 4;

template <typename T>
void PushBounded(std::deque<T>& values, T value, std::size_t max) {
  values.push_back(std::move(value));
  if (values.size() > max) values.pop_front();
}

// There is room for one line. If the message quotes standard error, its last line says what went
// wrong.
std::string LastLine(const std::string& message) {
  const std::size_t end = message.find_last_not_of(" \r\n");
  if (end == std::string::npos) return "";
  const std::size_t line_feed = message.rfind('\n', end);
  return message.substr(line_feed == std::string::npos ? 0 : line_feed + 1, end - line_feed);
}

}  // namespace

void WatchState::Apply(const v1::WatchSearchResponse& change, std::chrono::system_clock::time_point now) {
  if (change.has_time() && polled_sequence_ && change.sequence() > *polled_sequence_) {
    const auto ahead = now.time_since_epoch() - std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                                    std::chrono::seconds(change.time().seconds()) +
                                                    std::chrono::nanoseconds(change.time().nanos()));
    ahead_ = std::min(ahead_.value_or(ahead), ahead);
  }
  if (change.has_search()) Take(change.search());
  if (change.has_snapshot()) Take(change.snapshot());
  if (change.has_candidate()) Apply(change.candidate());
}

void WatchState::Apply(const v1::Search& search, const Fleet& fleet) {
  Take(search);
  fleet_ = fleet;
  if (!polled_sequence_) polled_sequence_ = search.sequence();
}

void WatchState::Take(const v1::Search& search) {
  if (search_.name().empty() || search.sequence() >= search_.sequence()) search_ = search;
}

void WatchState::Apply(const v1::Candidate& candidate) {
  if (!IsFinal(candidate.state()) || candidate.state() == v1::CANDIDATE_STATE_SKIPPED) {
    return;
  }
  PushBounded(end_times_, static_cast<double>(candidate.end_time().seconds()) + 1e-9 * candidate.end_time().nanos(),
              kMaxEnds);
  if (candidate.state() == v1::CANDIDATE_STATE_SUCCEEDED) {
    PushBounded(rewards_, candidate.reward(), kRewards);
    return;
  }
  if (candidate.state() == v1::CANDIDATE_STATE_STOPPED) {
    // A stopped candidate did not fail, and failures of earlier attempts are not the reason.
    const int epochs = candidate.curve().empty() ? 0 : candidate.curve().rbegin()->epoch();
    stopped_.push_front(absl::StrCat("candidate ", ShortName(candidate.name()),
                                     epochs > 0 ? absl::StrCat(" after epoch ", epochs) : ""));
    if (stopped_.size() > kStopped) stopped_.pop_back();
    return;
  }
  const std::string message = candidate.failures().empty() ? "" : candidate.failures().rbegin()->message();
  failures_.push_front(absl::StrCat("candidate ", ShortName(candidate.name()), " ", StateText(candidate.state()),
                                    message.empty() ? "" : ": ", LastLine(message)));
  if (failures_.size() > kFailures) failures_.pop_back();
}

std::chrono::system_clock::time_point WatchState::ControllerTime(std::chrono::system_clock::time_point now) const {
  return now - ahead_.value_or(std::chrono::system_clock::duration::zero());
}

std::optional<double> WatchState::Rate(std::chrono::system_clock::time_point now) const {
  if (end_times_.size() < kMinEnds) return std::nullopt;
  // Measure up to now instead of the last end, so that the rate falls if no more candidates end.
  const double until = std::chrono::duration<double>(ControllerTime(now).time_since_epoch()).count();
  const double span = std::max(until, end_times_.back()) - end_times_.front();
  if (span <= 0) return std::nullopt;
  return static_cast<double>(end_times_.size() - 1) / span;
}

}  // namespace layernas::client
