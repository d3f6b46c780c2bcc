// What is known of a watched search: from its feed of changes, and from asking now and then. Pure.
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
  // The latest of each are kept.
  static constexpr std::size_t kRewards = 400;
  static constexpr std::size_t kFailures = 3;
  static constexpr std::size_t kStopped = 3;

  void Apply(const v1::WatchSearchResponse& change);
  // How things stand; an older search than what is known already is ignored.
  void Apply(const v1::Search& search, const Fleet& fleet);

  // Without a name as long as nothing is known.
  const v1::Search& search() const { return search_; }
  const std::optional<Fleet>& fleet() const { return fleet_; }
  // Of the results, the oldest first.
  const std::deque<double>& rewards() const { return rewards_; }
  // "candidate 17 failed: why", the latest first.
  const std::deque<std::string>& failures() const { return failures_; }
  // "candidate 17 after epoch 3", which the spec's early_stop ended, the latest first.
  const std::deque<std::string>& stopped() const { return stopped_; }
  // Candidates that come to their end a second, of late; nothing where too few did.
  std::optional<double> Rate(std::chrono::system_clock::time_point now) const;

 private:
  void Apply(const v1::Candidate& candidate);
  void Take(const v1::Search& search);

  v1::Search search_;
  std::optional<Fleet> fleet_;
  std::deque<double> rewards_;
  std::deque<double> end_times_;
  std::deque<std::string> failures_;
  std::deque<std::string> stopped_;
};

}  // namespace layernas::client
