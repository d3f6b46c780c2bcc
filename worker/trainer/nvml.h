// What the driver's library says of a GPU (NVML, libnvidia-ml). It is loaded when it is needed, so that the trainer
// starts without it; what it does not say is absent.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace layernas::trainer {

// Not thread-safe.
class GpuMonitor {
 public:
  // Of the GPU at a PCI address, "00000000:3b:00.0".
  explicit GpuMonitor(const std::string& pci_address, const std::string& library = "libnvidia-ml.so.1");
  ~GpuMonitor();
  GpuMonitor(const GpuMonitor&) = delete;
  GpuMonitor& operator=(const GpuMonitor&) = delete;

  // Of the multiprocessors, now.
  std::optional<double> clock_mhz() const;
  // That the GPU has used since the driver was loaded, in millijoules; from Volta on.
  std::optional<double> energy_mj() const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  // nvmlDevice_t.
  void* device_ = nullptr;
};

}  // namespace layernas::trainer
