#include "worker/trainer/nvml.h"

#include <dlfcn.h>

namespace layernas::trainer {
namespace {

// Constants from nvml.h, whose values are the same in all versions.
constexpr int kSuccess = 0;
constexpr int kMultiprocessorClock = 1;

}  // namespace

struct GpuMonitor::Library {
  struct Close {
    void operator()(void* handle) const { dlclose(handle); }
  };

  std::unique_ptr<void, Close> handle;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*device_by_address)(const char*, void**) = nullptr;
  int (*clock)(void*, int, unsigned*) = nullptr;
  int (*energy)(void*, unsigned long long*) = nullptr;

  template <typename Function>
  bool Find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(handle.get(), name));
    return function != nullptr;
  }
};

GpuMonitor::GpuMonitor(const std::string& pci_address, const std::string& library) {
  auto loaded = std::make_unique<Library>();
  loaded->handle.reset(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (loaded->handle == nullptr) return;
  if (!loaded->Find("nvmlInit_v2", loaded->init) || !loaded->Find("nvmlShutdown", loaded->shutdown) ||
      !loaded->Find("nvmlDeviceGetHandleByPciBusId_v2", loaded->device_by_address) ||
      !loaded->Find("nvmlDeviceGetClockInfo", loaded->clock) ||
      !loaded->Find("nvmlDeviceGetTotalEnergyConsumption", loaded->energy) || loaded->init() != kSuccess) {
    return;
  }
  library_ = std::move(loaded);
  if (library_->device_by_address(pci_address.c_str(), &device_) != kSuccess) device_ = nullptr;
}

GpuMonitor::~GpuMonitor() {
  if (library_ != nullptr) library_->shutdown();
}

std::optional<double> GpuMonitor::clock_mhz() const {
  unsigned mhz = 0;
  if (device_ == nullptr || library_->clock(device_, kMultiprocessorClock, &mhz) != kSuccess) return std::nullopt;
  return mhz;
}

std::optional<double> GpuMonitor::energy_mj() const {
  unsigned long long energy = 0;
  if (device_ == nullptr || library_->energy(device_, &energy) != kSuccess) return std::nullopt;
  return static_cast<double>(energy);
}

}  // namespace layernas::trainer
