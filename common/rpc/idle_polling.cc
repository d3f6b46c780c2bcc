#include "common/rpc/idle_polling.h"

#include <cstdlib>

namespace layernas::rpc {

void LookOftenAfterIdleConnections() {
  // Channels have no argument for this.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "200", /*overwrite=*/0);
}

}  // namespace layernas::rpc
