// An output stream buffer that keeps the reason of a failed write.
#pragma once

#include <array>
#include <ostream>
#include <streambuf>

#include "absl/status/status.h"

namespace layernas::client {

// Writes to a file descriptor that it does not own. Keeps the reason of the first failure and drops
// all later output. Not thread-safe.
class OutputBuffer final : public std::streambuf {
 public:
  explicit OutputBuffer(int fd);

  // Returns errno of the first failed write, or 0.
  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override;
  int sync() override;

 private:
  // Returns false if output was lost, now or earlier.
  bool Write();

  const int fd_;
  int error_ = 0;
  std::array<char, 16384> buffer_;
};

// Writes the buffered output. UNKNOWN if output was lost, now or earlier; the message has the
// reason if `out` uses an OutputBuffer.
absl::Status FlushOutput(std::ostream& out);

}  // namespace layernas::client
