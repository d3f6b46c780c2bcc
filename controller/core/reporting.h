// The part of a search that takes back results, failures, lost leases and progress.
#pragma once

#include <string>

#include "controller/core/search_parts.h"

namespace layernas::core {

// The outcome of a reported result or failure.
struct CompletionVerdict {
  enum Status { kAccepted, kRefused, kInvalid } status = kAccepted;
  std::string message;
};

// Works on a search that has not ended. In an ended search every candidate is in a final state and
// nothing changes. Not thread-safe.
class Reporting {
 public:
  // `parts` must outlive this object.
  explicit Reporting(SearchParts& parts) : parts_(parts) {}

  // See Search for the following functions.
  bool Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now);
  CompletionVerdict Complete(std::uint64_t number, int attempt, const std::string& worker, AttemptResult result,
                             Instant now, bool believed = true);
  CompletionVerdict Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                         std::string message, Instant now);
  void Release(std::uint64_t number, int attempt);
  // `may_return`: whether its worker may still work on it.
  void Expire(std::uint64_t number, int attempt, Instant now, std::string why, bool may_return);
  void Rename(std::uint64_t number, int attempt, const std::string& worker);
  // `running`: whether the search hands out candidates.
  bool Renew(std::uint64_t number, int attempt, const std::string& worker, bool running);
  bool NoteProgress(std::uint64_t number, int attempt, const Curve& points, int epochs, UnixMillis now);
  // Gives the twin the outcome of the candidate that it follows, or lets it wait for that outcome.
  // If that candidate failed, the twin takes its place. The twin must not be leased or queued.
  void Follow(Candidate& twin, UnixMillis now);
  // The time of the search is up. Skips each candidate that is a first training
  // (SearchParts::IsFirst) and waits in the queue. If its lease was lost within kReturnTime, or earlier
  // while silence does not count, it is only withheld: its worker may still return with a result.
  // This does not hold if its worker does not have the lease.
  void SkipWaiting(UnixMillis now);
  // Whether kReturnTime counts now: workers could report recently.
  void set_silence_counts(bool counts) { silence_counts_ = counts; }

  // After the time of a search is up: how long the result of a lost lease is waited for. Far longer
  // than most outages of a network, and short beside a training.
  static constexpr Millis kReturnTime{120'000};

 private:
  // Returns null unless (number, attempt) is a granted lease.
  Candidate* Granted(std::uint64_t number, int attempt);
  // Returns null unless (number, attempt) is the current lease.
  Candidate* Current(std::uint64_t number, int attempt);
  // Returns whether the candidate is queued because the lease of its latest attempt expired, and
  // nothing of this attempt has been reported.
  static bool RanOut(const Candidate& candidate);
  // Returns whether the lease of this attempt was or is a separate measurement.
  bool WasToMeasure(const Candidate& candidate, int attempt) const;
  CompletionVerdict CompleteMeasurement(Candidate& candidate, int attempt, const std::string& worker,
                                        const Metrics& metrics, Instant now, bool believed);
  // Records the result; the metrics must be valid.
  void Succeed(Candidate& candidate, const Metrics& metrics, UnixMillis now);
  // The candidate has reached a final state. Tells the parts that learn from it.
  void Finish(Candidate& candidate, CandidateState state, UnixMillis now);
  // Settles the twins of the candidate, which has reached a final state.
  void SettleTwins(const Candidate& followed, UnixMillis now);
  // Skips the candidate because its cost exceeds every target.
  void Spare(Candidate& candidate, UnixMillis now);
  // The metrics of the followed candidate, with the twin's own counts: operations without effect are
  // counted too.
  Metrics MetricsOfTwin(const Candidate& twin, const Candidate& followed) const;
  Metrics WithoutReward(const Metrics& metrics) const;
  // Records a failed attempt. The candidate is retried or ends.
  void AttemptFailed(Candidate& candidate, AttemptFailure failure, Instant now);
  // Adds the new points; returns false if there are none.
  static bool Extend(Curve& curve, const Curve& points);

  SearchParts& parts_;
  bool silence_counts_ = true;
  // By candidate: the attempt of a lost lease that its worker does not have.
  std::map<std::uint64_t, int> gone_;
  // Metrics of the latest result, for sharing their names.
  Metrics latest_metrics_;
};

}  // namespace layernas::core
