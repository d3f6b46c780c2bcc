// What an agent is told at its start.
#pragma once

#include <map>
#include <string>

#include "common/base/clock.h"

namespace layernas {

struct AgentOptions {
  std::string worker_id;
  std::map<std::string, std::string> labels;
  // Evaluations at once; at least 1.
  int slots = 1;

  // Whether evaluators know where to keep the networks of winners, and can.
  bool keeps_weights = false;

  // Only tests change the rest.
  // How long a request for tasks may wait at the controller.
  Millis poll_wait{60'000};
  // Longest time of every other call.
  Millis call_timeout{10'000};
  // Until the controller names an interval.
  Millis heartbeat_interval{5'000};
  // Pauses between attempts while the controller is away.
  Millis first_retry{1'000};
  Millis longest_retry{10'000};
  // A signal that ends all processes of a machine or a job may reach an evaluator this much earlier than the agent.
  Millis drain_follows{3'000};
  // Longest time that the drain waits for the controller.
  Millis drain_timeout{8'000};
};

}  // namespace layernas
