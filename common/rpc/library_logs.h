// Handles the messages that gRPC and protobuf log themselves, mostly about failed handshakes and
// malformed requests.
#pragma once

namespace layernas::rpc {

// Writes the libraries' errors to the log, with a limit of one line every few seconds for each
// library. Otherwise clients without a certificate, or with malformed requests, could fill the log.
// Call this before gRPC is used.
void RouteLibraryLogs();

// Drops the messages, for programs whose own errors say everything. GRPC_VERBOSITY in the
// environment enables them again.
void SilenceLibraryLogs();

}  // namespace layernas::rpc
