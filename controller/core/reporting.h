// The half of a search that takes results, failures, lost leases and progress back.
#pragma once

#include <string>

#include "controller/core/search_parts.h"

namespace layernas::core {

// What became of a reported result or failure.
struct CompletionVerdict {
  enum Status { kAccepted, kRefused, kInvalid } status = kAccepted;
  std::string message;
};

// Of a search that has not ended: in one that has, every candidate is in a final state, and nothing is changed any
// more. Not thread-safe.
class Reporting {
 public:
  // `parts` must outlive it.
  explicit Reporting(SearchParts& parts) : parts_(parts) {}

  // As Search's.
  bool Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now);
  CompletionVerdict Complete(std::uint64_t number, int attempt, const std::string& worker, AttemptResult result,
                             Instant now, bool believed = true);
  CompletionVerdict Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                         std::string message, Instant now);
  void Release(std::uint64_t number, int attempt);
  void Expire(std::uint64_t number, int attempt, Instant now, std::string why);
  void Rename(std::uint64_t number, int attempt, const std::string& worker);
  // `running`: whether the search hands candidates out.
  bool Renew(std::uint64_t number, int attempt, const std::string& worker, bool running);
  bool NoteProgress(std::uint64_t number, int attempt, const Curve& points, int epochs, UnixMillis now);
  // Gives the twin, not leased and in no queue, the outcome of the candidate that it follows, or has it wait for that.
  // Where that candidate was given up, the twin takes its place.
  void Follow(Candidate& twin, UnixMillis now);
  // First trainings that wait are not begun any more.
  void SkipWaiting(UnixMillis now);

 private:
  // Null unless (number, attempt) is a lease that was granted.
  Candidate* Granted(std::uint64_t number, int attempt);
  // As Granted(), but only if the lease is current.
  Candidate* Current(std::uint64_t number, int attempt);
  // Whether the lease of this attempt was, or is, to measure it apart.
  bool WasToMeasure(const Candidate& candidate, int attempt) const;
  CompletionVerdict CompleteMeasurement(Candidate& candidate, int attempt, const std::string& worker,
                                        const Metrics& metrics, Instant now, bool believed);
  // Its result: metrics that are valid.
  void Succeed(Candidate& candidate, const Metrics& metrics, UnixMillis now);
  // The candidate has reached a final state: tells those who learn from it.
  void Finish(Candidate& candidate, CandidateState state, UnixMillis now);
  // Those that wait for the candidate, which has reached a final state.
  void SettleTwins(const Candidate& followed, UnixMillis now);
  // Its cost exceeds every target: it is not trained.
  void Spare(Candidate& candidate, UnixMillis now);
  Metrics WithoutReward(const Metrics& metrics) const;
  // A failed attempt; the candidate is tried again or given up.
  void AttemptFailed(Candidate& candidate, AttemptFailure failure, Instant now);
  // Adds what is new in the points; false if nothing is.
  static bool Extend(Curve& curve, const Curve& points);

  SearchParts& parts_;
  // Of the latest result; the names are shared with it.
  Metrics latest_metrics_;
};

}  // namespace layernas::core
