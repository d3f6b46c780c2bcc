// The stream of a search's changes.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "controller/engine/engine.h"
#include "layernas/v1/search_service.pb.h"

namespace layernas {

// A reactor that writes every change after the sequence number asked for and, once the search has ended and all is
// written, finishes with OK. Deletes itself. The engine must outlive the server.
grpc::ServerWriteReactor<v1::WatchSearchResponse>* StartWatch(Engine& engine, const v1::WatchSearchRequest& request);

}  // namespace layernas
