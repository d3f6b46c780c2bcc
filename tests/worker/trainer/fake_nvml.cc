// The part of NVIDIA's libnvidia-ml that GpuMonitor calls, with one GPU.
#include <cstring>

namespace {
int gpu = 0;
}  // namespace

extern "C" {

int nvmlInit_v2() { return 0; }

int nvmlShutdown() { return 0; }

int nvmlDeviceGetHandleByPciBusId_v2(const char* address, void** device) {
  constexpr int kNotFound = 6;
  if (std::strcmp(address, "00000000:3b:00.0") != 0) return kNotFound;
  *device = &gpu;
  return 0;
}

int nvmlDeviceGetClockInfo(void* device, int type, unsigned* mhz) {
  if (device != &gpu || type != 1) return 2;
  *mhz = 1410;
  return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  if (device != &gpu) return 2;
  *millijoules = 7'000'000'000'000;
  return 0;
}
}
