#include "worker/trainer/errors.h"
#include "worker/trainer/gpu.h"

namespace layernas::trainer {
namespace {

[[noreturn]] void Refuse() { throw MachineError("this layernas-trainer was built without LAYERNAS_WITH_CUDA"); }

}  // namespace

struct GpuTimer::Events {};
struct GpuRecording::Graph {};

bool IsBuiltForGpu() { return false; }
void PrepareGpu(torch::Device) { Refuse(); }
GpuDescription DescribeGpu(torch::Device) { Refuse(); }
std::size_t FreeGpuMemory(torch::Device) { Refuse(); }
void ReleaseGpuMemory() { Refuse(); }

GpuTimer::GpuTimer() { Refuse(); }
GpuTimer::~GpuTimer() = default;
double GpuTimer::Time(const std::function<void()>&) { Refuse(); }

GpuRecording::GpuRecording(const std::function<void()>&) { Refuse(); }
GpuRecording::~GpuRecording() = default;
void GpuRecording::Replay() { Refuse(); }

}  // namespace layernas::trainer
