#include "worker/trainer/repeated_work.h"

#include <utility>

namespace layernas::trainer {
namespace {

// In the first runs, libraries choose their algorithms and allocate memory. That cannot be
// recorded.
constexpr int kRunsBeforeRecording = 5;

}  // namespace

RepeatedWork::RepeatedWork(torch::Device device, std::function<void()> work)
    : device_(device), work_(std::move(work)) {}

void RepeatedWork::Run() {
  if (device_.is_cuda() && runs_ == kRunsBeforeRecording) recording_ = std::make_unique<GpuRecording>(work_);
  if (recording_ != nullptr) {
    recording_->Replay();
  } else {
    work_();
  }
  ++runs_;
}

}  // namespace layernas::trainer
