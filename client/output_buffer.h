// Standard output that knows why it could not be written.
#pragma once

#include <array>
#include <ostream>
#include <streambuf>

#include "absl/status/status.h"

namespace layernas::client {

// Writes to a file descriptor that it does not own. Keeps the reason of the first failure; what comes after is lost.
// Not thread-safe.
class OutputBuffer final : public std::streambuf {
 public:
  explicit OutputBuffer(int fd);

  // errno of the first write that failed; 0 if none has.
  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override;
  int sync() override;

 private:
  // False if anything was lost, now or before.
  bool Write();

  const int fd_;
  int error_ = 0;
  std::array<char, 16384> buffer_;
};

// Writes what is buffered. UNKNOWN, with the reason where `out` is an OutputBuffer's, if anything was lost, now or
// before.
absl::Status FlushOutput(std::ostream& out);

}  // namespace layernas::client
