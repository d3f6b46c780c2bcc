#include "worker/trainer/repeated_work.h"

#include <utility>

namespace layernas::trainer {
namespace {

// Until then libraries choose their algorithms and get their memory, which cannot be recorded.
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
