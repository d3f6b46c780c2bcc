// Reads a GPU's state through the driver's library (NVML, libnvidia-ml). The library is loaded when
// it is needed, so that the trainer also starts without it. Values that it does not provide are
// absent.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace layernas::trainer {

// Not thread-safe.
class GpuMonitor {
 public:
  // Opens the GPU at a PCI address such as "00000000:3b:00.0".
  explicit GpuMonitor(const std::string& pci_address, const std::string& library = "libnvidia-ml.so.1");
  ~GpuMonitor();
  GpuMonitor(const GpuMonitor&) = delete;
  GpuMonitor& operator=(const GpuMonitor&) = delete;

  // The current clock of the multiprocessors.
  std::optional<double> clock_mhz() const;
  // The energy that the GPU has used since the driver was loaded, in millijoules. Needs Volta or
  // later.
  std::optional<double> energy_mj() const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  // The nvmlDevice_t.
  void* device_ = nullptr;
};

}  // namespace layernas::trainer
