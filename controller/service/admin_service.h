// layernas.v1.AdminService on top of the store's backups.
#pragma once

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include "common/base/clock.h"
#include "controller/engine/serial_executor.h"
#include "controller/metrics/metrics.h"
#include "controller/service/call.h"
#include "controller/storage/backups.h"
#include "layernas/v1/admin_service.grpc.pb.h"

namespace layernas {

class AdminServiceImpl final : public v1::AdminService::CallbackService {
 public:
  // All arguments must outlive the server. If `backups` is null, backups are disabled.
  AdminServiceImpl(storage::Backups* backups, Gate& gate, ControllerMetrics& metrics, const Clock& clock)
      : backups_(backups),
        entrance_(v1::AdminService::service_full_name(), gate, metrics),
        clock_(clock),
        last_success_(LastSuccess(metrics)) {
    ShowLatest();
    if (backups_ != nullptr) shower_ = std::jthread([this](const std::stop_token& stop) { KeepShowing(stop); });
  }

  grpc::ServerUnaryReactor* CreateBackup(grpc::CallbackServerContext* context, const v1::CreateBackupRequest* request,
                                         v1::CreateBackupResponse* response) override;

 private:
  static prometheus::Gauge& LastSuccess(ControllerMetrics& metrics);
  void ShowLatest();
  void KeepShowing(const std::stop_token& stop);

  static constexpr std::chrono::seconds kShowEvery{5};

  storage::Backups* const backups_;
  Entrance entrance_;
  const Clock& clock_;
  prometheus::Gauge& last_success_;
  // One backup at a time: a second one would only slow down both.
  std::atomic<bool> busy_ = false;
  SerialExecutor maker_;
  std::jthread shower_;
};

}  // namespace layernas
