// Exit codes of the program. Scripts rely on them.
#pragma once

#include "absl/status/status.h"

namespace layernas::client {

enum class ExitCode {
  kOk = 0,
  kError = 1,
  // Invalid arguments, or a spec with mistakes.
  kUsage = 2,
  // The watched search ended as FAILED or CANCELLED.
  kSearchFailed = 3,
  kSearchCancelled = 4,
  kUnreachable = 5,
  // The code that shells use for SIGINT.
  kInterrupted = 130,
};

inline ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kUsage;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    case absl::StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    default:
      return ExitCode::kError;
  }
}

}  // namespace layernas::client
