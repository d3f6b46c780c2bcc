// Connections that are made while no call is under way.
#pragma once

namespace layernas::rpc {

// gRPC goes on with a connection while a call waits for it, and otherwise looks after it every five seconds. A caller
// that pauses between calls that fail at once, as while the controller is away, would never get through a TLS
// handshake: it takes several looks, and may last five seconds. This makes it look often. To be called before gRPC is
// used, and before there are threads.
void LookOftenAfterIdleConnections();

}  // namespace layernas::rpc
