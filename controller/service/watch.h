// The stream of a search's changes.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "controller/access/open_calls.h"
#include "controller/engine/engine.h"
#include "controller/service/spec_cache.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas {

// A reactor that says that the watch is open, writes every change after the sequence number asked for and, once the
// search has ended and all is written, finishes with OK. Before each further read it asks `admit`, for a watch may
// outlast the right to it, and ends with what that says. Deletes itself, and gives up the place. The engine must
// outlive the server.
grpc::ServerWriteReactor<v1::WatchSearchResponse>* StartWatch(Engine& engine, std::shared_ptr<SpecCache> specs,
                                                              grpc::CallbackServerContext& context,
                                                              const v1::WatchSearchRequest& request,
                                                              std::function<absl::Status()> admit,
                                                              OpenCalls::Place place);

// A reactor that does nothing but finish with `status`.
grpc::ServerWriteReactor<v1::WatchSearchResponse>* RefuseWatch(const absl::Status& status);

}  // namespace layernas
