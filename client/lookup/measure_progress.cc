#include "client/lookup/measure_progress.h"

#include <cmath>
#include <cstdint>

#include "client/output/units.h"

namespace layernas::client {
namespace {

constexpr std::chrono::seconds kReportEvery{10};

}  // namespace

void MeasureProgress::Done(std::size_t done) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kReportEvery || done == all_) return;
  last_ = now;
  const double left = std::chrono::duration<double>(now - start_).count() / static_cast<double>(done - known_) *
                      static_cast<double>(all_ - done);
  out_ << "measured " << done << " of " << all_ << ", about "
       << FormatElapsed(std::chrono::seconds(static_cast<std::int64_t>(std::ceil(left)))) << " left" << std::endl;
}

void MeasureProgress::SetAside(const std::string& file) {
  out_ << "the earlier measurements are from another machine or device and were moved to " << file << std::endl;
}

void MeasureProgress::Checking() { out_ << "checking the measurements" << std::endl; }

void MeasureProgress::LeftOut(const std::string& architecture, std::string_view why) {
  out_ << "skipped architecture " << architecture << ": " << why << std::endl;
}

void MeasureProgress::MeasuredAgain(const std::string& architecture, std::string_view readings) {
  out_ << "measured architecture " << architecture << " again: " << readings << std::endl;
}

std::chrono::seconds MeasureProgress::elapsed() const {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start_);
}

}  // namespace layernas::client
