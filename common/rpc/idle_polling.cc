#include "common/rpc/idle_polling.h"

#include <cstdlib>

namespace layernas::rpc {

void LookOftenAfterIdleConnections() {
  // There is no argument of a channel for it.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "200", /*overwrite=*/0);
}

}  // namespace layernas::rpc
