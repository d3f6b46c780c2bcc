// A fake controller whose answers the test decides.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "common/rpc/transport.h"
#include "layernas/v1/fleet_service.grpc.pb.h"
#include "layernas/v1/search_service.grpc.pb.h"

namespace layernas::client {

// Calls for which the test has set no answer end with UNIMPLEMENTED.
class FakeController final : public v1::SearchService::Service, public v1::FleetService::Service {
 public:
  template <typename Request, typename Response>
  using Handler = std::function<grpc::Status(const Request&, Response&)>;
  using WatchHandler =
      std::function<grpc::Status(const v1::WatchSearchRequest&, grpc::ServerWriter<v1::WatchSearchResponse>&)>;

  FakeController() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(static_cast<v1::SearchService::Service*>(this));
    builder.RegisterService(static_cast<v1::FleetService::Service*>(this));
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~FakeController() override { server_->Shutdown(); }

  const std::string& address() const { return address_; }

  Handler<v1::CreateSearchRequest, v1::CreateSearchResponse> create;
  Handler<v1::GetSearchRequest, v1::GetSearchResponse> get;
  Handler<v1::ListSearchesRequest, v1::ListSearchesResponse> list;
  Handler<v1::PauseSearchRequest, v1::PauseSearchResponse> pause;
  Handler<v1::UpdateSearchRequest, v1::UpdateSearchResponse> update;
  Handler<v1::DeleteSearchRequest, v1::DeleteSearchResponse> remove;
  Handler<v1::ListCandidatesRequest, v1::ListCandidatesResponse> candidates;
  Handler<v1::GetTaskLogRequest, v1::GetTaskLogResponse> log;
  Handler<v1::GetFrontierRequest, v1::GetFrontierResponse> frontier;
  Handler<v1::GetBucketsRequest, v1::GetBucketsResponse> buckets;
  Handler<v1::ListWorkersRequest, v1::ListWorkersResponse> workers;
  WatchHandler watch;
  // True: watches are reported as open before `watch` is called.
  bool opens_watches = false;

 private:
  template <typename Request, typename Response>
  static grpc::Status Answer(const Handler<Request, Response>& handler, const Request& request, Response& response) {
    return handler ? handler(request, response) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  }

  using Context = grpc::ServerContext;

  grpc::Status CreateSearch(Context*, const v1::CreateSearchRequest* request,
                            v1::CreateSearchResponse* response) override {
    return Answer(create, *request, *response);
  }
  grpc::Status GetSearch(Context*, const v1::GetSearchRequest* request, v1::GetSearchResponse* response) override {
    return Answer(get, *request, *response);
  }
  grpc::Status ListSearches(Context*, const v1::ListSearchesRequest* request,
                            v1::ListSearchesResponse* response) override {
    return Answer(list, *request, *response);
  }
  grpc::Status PauseSearch(Context*, const v1::PauseSearchRequest* request,
                           v1::PauseSearchResponse* response) override {
    return Answer(pause, *request, *response);
  }
  grpc::Status UpdateSearch(Context*, const v1::UpdateSearchRequest* request,
                            v1::UpdateSearchResponse* response) override {
    return Answer(update, *request, *response);
  }
  grpc::Status DeleteSearch(Context*, const v1::DeleteSearchRequest* request,
                            v1::DeleteSearchResponse* response) override {
    return Answer(remove, *request, *response);
  }
  grpc::Status ListCandidates(Context*, const v1::ListCandidatesRequest* request,
                              v1::ListCandidatesResponse* response) override {
    return Answer(candidates, *request, *response);
  }
  grpc::Status GetTaskLog(Context*, const v1::GetTaskLogRequest* request, v1::GetTaskLogResponse* response) override {
    return Answer(log, *request, *response);
  }
  grpc::Status GetFrontier(Context*, const v1::GetFrontierRequest* request,
                           v1::GetFrontierResponse* response) override {
    return Answer(frontier, *request, *response);
  }
  grpc::Status GetBuckets(Context*, const v1::GetBucketsRequest* request, v1::GetBucketsResponse* response) override {
    return Answer(buckets, *request, *response);
  }
  grpc::Status ListWorkers(Context*, const v1::ListWorkersRequest* request,
                           v1::ListWorkersResponse* response) override {
    return Answer(workers, *request, *response);
  }
  grpc::Status WatchSearch(Context* context, const v1::WatchSearchRequest* request,
                           grpc::ServerWriter<v1::WatchSearchResponse>* writer) override {
    if (opens_watches) {
      context->AddInitialMetadata(rpc::kWatchKey, rpc::kWatchOpen);
      writer->SendInitialMetadata();
    }
    return watch ? watch(*request, *writer) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  }

  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace layernas::client
