#include "controller/service/admin_service.h"

#include <condition_variable>
#include <mutex>

#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "controller/service/convert.h"

namespace layernas {

prometheus::Gauge& AdminServiceImpl::LastSuccess(ControllerMetrics& metrics) {
  return prometheus::BuildGauge()
      .Name("layernas_backup_last_success_timestamp_seconds")
      .Help("Unix time of the newest backup in --backup-dir; 0 if there is none.")
      .Register(*metrics.registry())
      .Add({});
}

void AdminServiceImpl::ShowLatest() {
  last_success_.Set(backups_ == nullptr ? 0 : static_cast<double>(backups_->latest(clock_.UnixNow())) / 1000);
}

void AdminServiceImpl::KeepShowing(const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any stopped;
  // The clock may be set: then another backup is the newest that counts.
  while (!stopped.wait_for(lock, stop, kShowEvery, [&stop] { return stop.stop_requested(); })) {
    maker_.Post([this] { ShowLatest(); });
  }
}

grpc::ServerUnaryReactor* AdminServiceImpl::CreateBackup(grpc::CallbackServerContext* context,
                                                         const v1::CreateBackupRequest* request,
                                                         v1::CreateBackupResponse* response) {
  const Call call = entrance_.Begin(context, "CreateBackup");
  if (call.refused()) return call.reactor();
  if (backups_ == nullptr) {
    call.Finish(absl::FailedPreconditionError("backups are disabled; start the controller with --backup-dir"));
    return call.reactor();
  }
  if (busy_.exchange(true)) {
    call.Finish(absl::FailedPreconditionError("another backup is in progress; retry when it is done"));
    return call.reactor();
  }
  maker_.Post([this, call, request, response] {
    const absl::StatusOr<storage::Backup> made = backups_->Make(request->backup_id(), clock_.UnixNow());
    if (made.ok()) {
      ShowLatest();
      log::Info("backup made", {{"path", made->path}, {"bytes", made->bytes}});
      v1::Backup& backup = *response->mutable_backup();
      backup.set_id(made->id);
      backup.set_path(made->path);
      *backup.mutable_create_time() = ToTimestamp(made->created);
      backup.set_size_bytes(static_cast<std::int64_t>(made->bytes));
    } else {
      log::Warning("backup failed", {{"why", std::string(made.status().message())}});
    }
    busy_ = false;
    call.Finish(made.status());
  });
  return call.reactor();
}

}  // namespace layernas
