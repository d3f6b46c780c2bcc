// Makes gRPC establish connections quickly while no call is in progress.
#pragma once

namespace layernas::rpc {

// While a call waits for a connection, gRPC continues to establish it; otherwise it only does so
// every five seconds. A caller may pause between calls that fail at once, for example while the
// controller is down. Such a caller would never complete a TLS handshake, which needs several of
// these steps and must be done within five seconds. This function makes gRPC work on connections
// often. Call it before gRPC is used and before there are threads.
void LookOftenAfterIdleConnections();

}  // namespace layernas::rpc
