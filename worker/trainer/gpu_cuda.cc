#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <array>
#include <cstdio>

#include "worker/trainer/gpu.h"

namespace layernas::trainer {

struct GpuTimer::Events {
  at::cuda::CUDAEvent start{cudaEventDefault};
  at::cuda::CUDAEvent end{cudaEventDefault};
};

struct GpuRecording::Graph {
  at::cuda::CUDAGraph graph;
};

bool IsBuiltForGpu() { return true; }

void PrepareGpu(torch::Device gpu) {
  c10::cuda::set_device(gpu.index());
  c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, gpu.index()));
  // The shapes in a training do not change, so it is worth benchmarking cuDNN's algorithms once.
  at::globalContext().setBenchmarkCuDNN(true);
}

GpuDescription DescribeGpu(torch::Device gpu) {
  const cudaDeviceProp& properties = *at::cuda::getDeviceProperties(gpu.index());
  std::array<char, 32> address{};
  std::snprintf(address.data(), address.size(), "%08x:%02x:%02x.0", static_cast<unsigned>(properties.pciDomainID),
                static_cast<unsigned>(properties.pciBusID), static_cast<unsigned>(properties.pciDeviceID));
  return {properties.name, address.data()};
}

std::size_t FreeGpuMemory(torch::Device gpu) {
  const c10::cuda::CUDAGuard guard(gpu);
  std::size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

void ReleaseGpuMemory() { c10::cuda::CUDACachingAllocator::emptyCache(); }

GpuTimer::GpuTimer() : events_(std::make_unique<Events>()) {
  // The events are created at their first use, which must not be timed.
  events_->start.record();
  events_->end.record();
}

GpuTimer::~GpuTimer() = default;

double GpuTimer::Time(const std::function<void()>& work) {
  events_->start.record();
  work();
  events_->end.record();
  events_->end.synchronize();
  return static_cast<double>(events_->start.elapsed_time(events_->end));
}

GpuRecording::GpuRecording(const std::function<void()>& work) : graph_(std::make_unique<Graph>()) {
  c10::cuda::device_synchronize();
  // The recording has its own memory, so free what torch keeps for later.
  ReleaseGpuMemory();
  graph_->graph.capture_begin();
  work();
  graph_->graph.capture_end();
}

GpuRecording::~GpuRecording() = default;

void GpuRecording::Replay() { graph_->graph.replay(); }

}  // namespace layernas::trainer
