// What becomes of the messages that gRPC and protobuf write themselves: of handshakes that failed and requests that
// can't be parsed, above all.
#pragma once

namespace layernas::rpc {

// Errors go to our log, at most one every few seconds of each: who comes without a certificate, or sends rubbish, could
// else fill it. To be called before gRPC is used.
void RouteLibraryLogs();

// They are dropped, for programs whose own errors say it all. GRPC_VERBOSITY in the environment brings them back.
void SilenceLibraryLogs();

}  // namespace layernas::rpc
