#include "controller/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "common/metrics/exposer.h"
#include "common/process/ready_file.h"
#include "common/rpc/transport.h"
#include "controller/access/gate.h"
#include "controller/access/interceptors.h"
#include "controller/access/token_file.h"
#include "controller/service/admin_service.h"
#include "controller/service/fleet_service.h"
#include "controller/service/search_service.h"
#include "controller/service/worker_service.h"
#include "controller/spec/core_config.h"
#include "controller/storage/backups.h"

namespace layernas {
namespace {

// Maximum time for calls in progress to end when the controller stops.
constexpr std::chrono::seconds kGrace{5};

// Refuses the data directory as backup directory: a backup could get the name of a RocksDB file.
absl::Status CheckApart(const std::string& data_dir, const std::string& backup_dir) {
  std::error_code ignored;
  if (!std::filesystem::equivalent(data_dir, backup_dir, ignored)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--backup-dir: ", backup_dir, " is the data directory; choose another, preferably on another disk"));
}

}  // namespace

// In the order of their start; destroyed in reverse.
struct ControllerServer::Parts {
  ControllerMetrics metrics;
  std::unique_ptr<storage::Store> store;
  // Null: backups are disabled.
  std::unique_ptr<storage::Backups> backups;
  std::unique_ptr<Engine> engine;
  // Null: callers need no token.
  std::unique_ptr<TokenFile> tokens;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<SearchServiceImpl> search_service;
  std::unique_ptr<WorkerServiceImpl> worker_service;
  std::unique_ptr<FleetServiceImpl> fleet_service;
  std::unique_ptr<AdminServiceImpl> admin_service;
  std::unique_ptr<MetricsExposer> exposer;
  std::unique_ptr<grpc::Server> server;
};

absl::StatusOr<std::unique_ptr<ControllerServer>> ControllerServer::Start(const ControllerOptions& options) {
  auto parts = std::make_unique<Parts>();
  LAYERNAS_ASSIGN_OR_RETURN(const auto credentials, rpc::MakeServerCredentials(options.tls));
  if (!options.token_file.empty()) {
    auto tokens = TokenFile::Open(options.token_file);
    if (!tokens.ok()) {
      return absl::Status(tokens.status().code(), absl::StrCat("--token-file: ", tokens.status().message()));
    }
    parts->tokens = *std::move(tokens);
  }
  parts->gate = std::make_unique<Gate>(parts->tokens.get(), options.gate, parts->metrics);
  auto store = storage::Store::Open(options.data_dir);
  if (store.status().code() == absl::StatusCode::kDataLoss && options.drop_damaged_log) {
    log::Warning("dropping everything in the log after the damage",
                 {{"damage", std::string(store.status().message())}});
    store = storage::Store::OpenWithoutDamagedLog(options.data_dir);
  }
  if (!store.ok()) return storage::NameDataDirectory(store.status(), options.data_dir);
  parts->store = *std::move(store);
  if (!options.backup_dir.empty()) {
    LAYERNAS_RETURN_IF_ERROR(CheckApart(options.data_dir, options.backup_dir));
    auto backups = storage::Backups::Open(*parts->store, options.data_dir, options.backup_dir);
    if (!backups.ok()) {
      return absl::Status(backups.status().code(), absl::StrCat("--backup-dir: ", backups.status().message()));
    }
    parts->backups = *std::move(backups);
  }
  EngineOptions engine_options;
  engine_options.lease_duration = options.lease_duration;
  engine_options.retention = options.retention;
  engine_options.quotas = options.quotas;
  auto engine = Engine::Create(
      *parts->store, engine_options, [](std::string_view spec) { return ToCoreConfig(spec); }, parts->metrics,
      Clock::Real());
  if (!engine.ok()) return storage::NameDataDirectory(engine.status(), options.data_dir);
  parts->engine = *std::move(engine);
  parts->search_service = std::make_unique<SearchServiceImpl>(*parts->engine, *parts->gate, parts->metrics);
  parts->worker_service =
      std::make_unique<WorkerServiceImpl>(*parts->engine, *parts->gate, parts->metrics, Clock::Real());
  parts->fleet_service = std::make_unique<FleetServiceImpl>(*parts->engine, *parts->gate, parts->metrics);
  parts->admin_service =
      std::make_unique<AdminServiceImpl>(parts->backups.get(), *parts->gate, parts->metrics, Clock::Real());
  LAYERNAS_ASSIGN_OR_RETURN(parts->exposer, MetricsExposer::Start(options.metrics_listen, parts->metrics.registry(),
                                                                  options.tls.certificate_file));

  CrashPoint("loaded");
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  rpc::ConfigureServer(builder);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(MakeInterceptors(*parts->gate));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  int port = 0;
  builder.AddListeningPort(options.listen.ToString(), credentials, &port);
  builder.RegisterService(parts->search_service.get());
  builder.RegisterService(parts->worker_service.get());
  builder.RegisterService(parts->fleet_service.get());
  builder.RegisterService(parts->admin_service.get());
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || port == 0) {
    parts->server.reset();
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.listen.ToString(),
                     ": another program may be using the port; choose another with --listen"));
  }
  for (const char* service : {"", "layernas.v1.SearchService", "layernas.v1.WorkerService", "layernas.v1.FleetService",
                              "layernas.v1.AdminService"}) {
    parts->server->GetHealthCheckService()->SetServingStatus(service, true);
  }
  rpc::Address address = options.listen;
  address.port = static_cast<std::uint16_t>(port);
  const std::string metrics_address = parts->exposer->address().ToString();
  std::unique_ptr<ControllerServer> server(new ControllerServer(std::move(parts)));
  if (!options.ready_file.empty()) {
    const nlohmann::json ready = {{"address", address.ToString()}, {"metrics_address", metrics_address}};
    LAYERNAS_RETURN_IF_ERROR(WriteReadyFile(options.ready_file, ready.dump()));
  }
  log::Info("serving", {{"address", address.ToString()},
                        {"metrics", metrics_address},
                        {"data_dir", options.data_dir},
                        {"tls", !options.tls.enabled()               ? "off"
                                : options.tls.client_ca_file.empty() ? "on"
                                                                     : "mutual"},
                        {"tokens", options.token_file.empty() ? "off" : "on"}});
  return server;
}

ControllerServer::ControllerServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ControllerServer::~ControllerServer() {
  log::Info("stopping");
  parts_->server->GetHealthCheckService()->Shutdown();
  parts_->engine->Drain();
  // Without a deadline the server would wait for its callers without limit.
  parts_->server->Shutdown(std::chrono::system_clock::now() + kGrace);
  parts_->server.reset();
}

}  // namespace layernas
