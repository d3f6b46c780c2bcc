// The stream of a search's changes (WatchSearch).
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

// Returns a reactor that reports that the watch is open, and writes every change after the
// requested sequence number. It finishes with OK when the search has ended and everything is
// written. Before each further read it calls `admit`, because the caller may lose its permission
// during a watch, and it ends with an error of `admit`. It deletes itself and gives up the place.
// The engine must outlive the server.
grpc::ServerWriteReactor<v1::WatchSearchResponse>* StartWatch(Engine& engine, std::shared_ptr<SpecCache> specs,
                                                              grpc::CallbackServerContext& context,
                                                              const v1::WatchSearchRequest& request,
                                                              std::function<absl::Status()> admit,
                                                              OpenCalls::Place place);

// Returns a reactor that only finishes with `status`.
grpc::ServerWriteReactor<v1::WatchSearchResponse>* RefuseWatch(const absl::Status& status);

}  // namespace layernas
