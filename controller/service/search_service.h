// layernas.v1.SearchService on top of the engine.
#pragma once

#include "controller/engine/engine.h"
#include "controller/metrics/metrics.h"
#include "controller/service/call.h"
#include "controller/service/fair_queue.h"
#include "controller/service/spec_cache.h"
#include "layernas/v1/search_service.grpc.pb.h"

namespace layernas {

// No call blocks: specs are checked on their own thread, and calls are passed to the engine, whose
// answers finish them.
class SearchServiceImpl final : public v1::SearchService::CallbackService {
 public:
  // All arguments must outlive the server.
  SearchServiceImpl(Engine& engine, Gate& gate, ControllerMetrics& metrics);

  grpc::ServerUnaryReactor* ValidateSearch(grpc::CallbackServerContext* context,
                                           const v1::ValidateSearchRequest* request,
                                           v1::ValidateSearchResponse* response) override;
  grpc::ServerUnaryReactor* CreateSearch(grpc::CallbackServerContext* context, const v1::CreateSearchRequest* request,
                                         v1::CreateSearchResponse* response) override;
  grpc::ServerUnaryReactor* GetSearch(grpc::CallbackServerContext* context, const v1::GetSearchRequest* request,
                                      v1::GetSearchResponse* response) override;
  grpc::ServerUnaryReactor* ListSearches(grpc::CallbackServerContext* context, const v1::ListSearchesRequest* request,
                                         v1::ListSearchesResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchSearchResponse>* WatchSearch(grpc::CallbackServerContext* context,
                                                                 const v1::WatchSearchRequest* request) override;
  grpc::ServerUnaryReactor* PauseSearch(grpc::CallbackServerContext* context, const v1::PauseSearchRequest* request,
                                        v1::PauseSearchResponse* response) override;
  grpc::ServerUnaryReactor* ResumeSearch(grpc::CallbackServerContext* context, const v1::ResumeSearchRequest* request,
                                         v1::ResumeSearchResponse* response) override;
  grpc::ServerUnaryReactor* CancelSearch(grpc::CallbackServerContext* context, const v1::CancelSearchRequest* request,
                                         v1::CancelSearchResponse* response) override;
  grpc::ServerUnaryReactor* UpdateSearch(grpc::CallbackServerContext* context, const v1::UpdateSearchRequest* request,
                                         v1::UpdateSearchResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSearch(grpc::CallbackServerContext* context, const v1::DeleteSearchRequest* request,
                                         v1::DeleteSearchResponse* response) override;
  grpc::ServerUnaryReactor* ListCandidates(grpc::CallbackServerContext* context,
                                           const v1::ListCandidatesRequest* request,
                                           v1::ListCandidatesResponse* response) override;
  grpc::ServerUnaryReactor* GetTaskLog(grpc::CallbackServerContext* context, const v1::GetTaskLogRequest* request,
                                       v1::GetTaskLogResponse* response) override;
  grpc::ServerUnaryReactor* GetFrontier(grpc::CallbackServerContext* context, const v1::GetFrontierRequest* request,
                                        v1::GetFrontierResponse* response) override;
  grpc::ServerUnaryReactor* GetBuckets(grpc::CallbackServerContext* context, const v1::GetBucketsRequest* request,
                                       v1::GetBucketsResponse* response) override;

 private:
  Engine& engine_;
  Entrance entrance_;
  // Runs `check` in the caller's turn, unless the call was cancelled by then. Finishes the call if
  // this is not possible.
  void CheckInTurn(const Call& call, grpc::CallbackServerContext* context, std::function<void()> check);

  // Shared with answers in progress.
  const std::shared_ptr<SpecCache> specs_ = std::make_shared<SpecCache>();
  // Last member, because its work uses the others.
  FairQueue checks_;
};

}  // namespace layernas
