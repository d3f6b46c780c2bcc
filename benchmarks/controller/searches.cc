#include "benchmarks/controller/searches.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <memory>

#include "common/base/status_macros.h"
#include "common/rpc/address.h"
#include "common/rpc/status.h"
#include "common/rpc/transport.h"
#include "layernas/v1/search_service.grpc.pb.h"

namespace layernas::bench {
namespace {

constexpr std::chrono::seconds kSearchCallTimeout{60};

absl::StatusOr<std::unique_ptr<v1::SearchService::Stub>> Connect(const std::string& address) {
  LAYERNAS_ASSIGN_OR_RETURN(const rpc::Address parsed, rpc::ParseAddress(address));
  return v1::SearchService::NewStub(rpc::MakeChannel(parsed));
}

}  // namespace

absl::StatusOr<v1::Search> CreateSearch(const std::string& address, const v1::SearchSpec& spec) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto stub, Connect(address));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kSearchCallTimeout);
  v1::CreateSearchRequest request;
  *request.mutable_spec() = spec;
  v1::CreateSearchResponse response;
  LAYERNAS_RETURN_IF_ERROR(rpc::FromGrpc(stub->CreateSearch(&context, request, &response)));
  return response.search();
}

absl::StatusOr<v1::Search> GetSearch(const std::string& address, const std::string& name) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto stub, Connect(address));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kSearchCallTimeout);
  v1::GetSearchRequest request;
  request.set_name(name);
  v1::GetSearchResponse response;
  LAYERNAS_RETURN_IF_ERROR(rpc::FromGrpc(stub->GetSearch(&context, request, &response)));
  return response.search();
}

absl::StatusOr<Pages> ReadPages(const std::string& address, const std::string& search, int page_size, int count) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto stub, Connect(address));
  Pages pages;
  v1::ListCandidatesRequest request;
  request.set_parent(search);
  request.set_page_size(page_size);
  // The first call makes the connection and is not timed.
  for (int i = -1; i < count; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kSearchCallTimeout);
    v1::ListCandidatesResponse response;
    const SteadyTime begin = std::chrono::steady_clock::now();
    LAYERNAS_RETURN_IF_ERROR(rpc::FromGrpc(stub->ListCandidates(&context, request, &response)));
    if (i >= 0) pages.latencies.Add(std::chrono::steady_clock::now() - begin);
    pages.largest_bytes = std::max(pages.largest_bytes, response.ByteSizeLong());
    request.set_page_token(response.next_page_token());
  }
  return pages;
}

}  // namespace layernas::bench
