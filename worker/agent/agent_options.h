// The settings of an agent.
#pragma once

#include <map>
#include <string>

#include "common/base/clock.h"

namespace layernas {

struct AgentOptions {
  std::string worker_id;
  std::map<std::string, std::string> labels;
  // Maximum number of concurrent evaluations; at least 1.
  int slots = 1;

  // True: the evaluators know a folder for the networks of winners and can write to it.
  bool keeps_weights = false;

  // Only tests change the fields below.
  // How long a poll may wait at the controller.
  Millis poll_wait{60'000};
  // The timeout of every other call.
  Millis call_timeout{10'000};
  // Used until the controller sets an interval.
  Millis heartbeat_interval{5'000};
  // The pauses between attempts while the controller is unreachable.
  Millis first_retry{1'000};
  Millis longest_retry{10'000};
  // A signal to all processes of a machine or job may reach an evaluator this much earlier than the
  // agent.
  Millis drain_follows{3'000};
  // How long a drain waits for the controller.
  Millis drain_timeout{8'000};
};

}  // namespace layernas
