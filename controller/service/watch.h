// The stream of a search's changes.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>

#include "controller/engine/engine.h"
#include "controller/service/parsed_spec.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas {

// A reactor that writes every change after the sequence number asked for and, once the search has ended and all is
// written, finishes with OK. Deletes itself. The engine must outlive the server.
grpc::ServerWriteReactor<v1::WatchSearchResponse>* StartWatch(Engine& engine, std::shared_ptr<SpecCache> specs,
                                                              const v1::WatchSearchRequest& request);

}  // namespace layernas
