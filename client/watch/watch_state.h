// The known state of a watched search, from its stream of changes and from polls. No I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "layernas/v1/search_service.pb.h"

namespace layernas::client {

struct Fleet {
  int workers = 0;
  int slots = 0;
  int busy = 0;
  int shunned = 0;
};

class WatchState {
 public:
  // Maximum entries that are kept of each list.
  static constexpr std::size_t kRewards = 400;
  static constexpr std::size_t kFailures = 3;
  static constexpr std::size_t kStopped = 3;

  // `now`: when the change arrived, by the clock of this machine.
  void Apply(const v1::WatchSearchResponse& change,
             std::chrono::system_clock::time_point now = std::chrono::system_clock::now());
  // Takes a polled state. Ignores a search that is older than the known one.
  void Apply(const v1::Search& search, const Fleet& fleet);

  // Has no name as long as nothing is known.
  const v1::Search& search() const { return search_; }
  const std::optional<Fleet>& fleet() const { return fleet_; }
  // Rewards of the results, oldest first.
  const std::deque<double>& rewards() const { return rewards_; }
  // For example "candidate 17 failed: why", newest first.
  const std::deque<std::string>& failures() const { return failures_; }
  // For example "candidate 17 after epoch 3", for candidates that early_stop ended; newest first.
  const std::deque<std::string>& stopped() const { return stopped_; }
  // Returns the time by the controller's clock, which all times of the search are from. The
  // clocks count as equal until a new change arrives.
  std::chrono::system_clock::time_point ControllerTime(std::chrono::system_clock::time_point now) const;
  // Candidates that ended per second recently; nothing if there were too few. `now`: by the clock of
  // this machine.
  std::optional<double> Rate(std::chrono::system_clock::time_point now) const;

 private:
  void Apply(const v1::Candidate& candidate);
  void Take(const v1::Search& search);

  v1::Search search_;
  std::optional<Fleet> fleet_;
  // The sequence number of the first polled state. Later changes are new, so that they arrive at once.
  std::optional<std::uint64_t> polled_sequence_;
  // How far this machine's clock is ahead. The least of all new changes, because some arrive late.
  std::optional<std::chrono::system_clock::duration> ahead_;
  std::deque<double> rewards_;
  std::deque<double> end_times_;
  std::deque<std::string> failures_;
  std::deque<std::string> stopped_;
};

}  // namespace layernas::client
