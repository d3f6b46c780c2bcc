#include "benchmarks/controller/readers.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <utility>

#include "benchmarks/controller/messages.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas::bench {
namespace {

constexpr Millis kPageTimeout{60'000};
constexpr int kPageSize = 100;

}  // namespace

Readers::Readers(EventLoop& loop, ReaderOptions options) : loop_(loop), options_(std::move(options)) {
  v1::WatchSearchRequest request;
  request.set_name(options_.search);
  for (int i = 0; i < options_.watches; ++i) {
    loop_.Stream(
        0, kWatchSearch, request.SerializeAsString(),
        [this, alive = std::weak_ptr(alive_)](grpc::ByteBuffer&) {
          if (!alive.expired()) ++watched_;
        },
        [this, alive = std::weak_ptr(alive_)] {
          if (!alive.expired()) ++broken_;
        });
  }
  if (options_.pages > 0) ReadPage();
}

void Readers::ReadPage() {
  const SteadyTime begin = std::chrono::steady_clock::now();
  v1::ListCandidatesRequest request;
  request.set_parent(options_.search);
  request.set_page_size(kPageSize);
  request.set_page_token(page_token_);
  loop_.Call(0, kListCandidates, request.SerializeAsString(), kPageTimeout,
             [this, begin, alive = std::weak_ptr(alive_)](const grpc::Status& status, grpc::ByteBuffer& answer) {
               if (alive.expired()) return;
               const SteadyTime now = std::chrono::steady_clock::now();
               v1::ListCandidatesResponse response;
               grpc::ProtoBufferReader reader(&answer);
               page_token_.clear();
               if (status.ok() && response.ParseFromZeroCopyStream(&reader)) {
                 pages_.Add(now - begin);
                 page_token_ = response.next_page_token();
               }
               const auto period =
                   std::chrono::duration_cast<SteadyTime::duration>(std::chrono::duration<double>(1 / options_.pages));
               loop_.At(begin + period, [this, alive] {
                 if (!alive.expired()) ReadPage();
               });
             });
}

}  // namespace layernas::bench
