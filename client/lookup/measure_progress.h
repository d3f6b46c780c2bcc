// What a measurement of many networks says on standard error.
#pragma once

#include <chrono>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

namespace layernas::client {

// Prints the progress every few seconds. Not thread-safe.
class MeasureProgress {
 public:
  // `out` must outlive the object. `all`: networks to measure.
  MeasureProgress(std::ostream& out, std::size_t all) : out_(out), all_(all) {}

  // Counts a network that is already measured.
  void Known() { ++known_; }
  void Done(std::size_t done);
  void SetAside(const std::string& file);
  // Says that the networks are measured and their costs are compared, which can take minutes.
  void Checking();
  void LeftOut(const std::string& architecture, std::string_view why);
  void MeasuredAgain(const std::string& architecture, std::string_view readings);
  std::chrono::seconds elapsed() const;

 private:
  std::ostream& out_;
  const std::size_t all_;
  std::size_t known_ = 0;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_ = start_;
};

}  // namespace layernas::client
